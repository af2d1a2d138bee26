"""Several nodes: whether this box leads still, and whether a member's leader answers. A box of one node has none of these checks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from kelvin_provision.check_result import CheckFinding, error, ok, warning
from kelvin_provision.checks.runner import Check, Fact
from kelvin_provision.hints import command
from kelvin_provision.leading import identity
from kelvin_provision.leading.lease import elsewhere

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kelvin_provision.cluster.lease import Lease
    from kelvin_provision.cluster.protocol import Cluster
    from kelvin_provision.leading.identity import Leader
    from kelvin_provision.nodes.member.now import MemberNow

OF_MEMBER = frozenset({"versions", "configuration", "clock", "permissions", "disk", "inodes", "agent", "nodes", "runtime"})
"""Checks of every box that a member has, too: it has neither a ledger nor a kubeconfig."""


class LeadState(NamedTuple):
    """`own` is this box's name in the lease, and `lease` what the cluster says; None where a cluster is one machine."""

    own: Leader
    lease: Lease | None


class MemberState(NamedTuple):
    """`now` is what the agent says; None without an agent."""

    leader: str
    now: MemberNow | None


def lead(state: LeadState) -> Iterator[CheckFinding]:
    """`lead`: the lease of the cluster is this box's."""
    own, lease = state
    if lease is None:
        yield ok("this cluster is one machine")
    elif lease.holder == own.holder:
        yield ok(f"this box leads, term {lease.term}; its last change was at {lease.renewed}")
    elif lease.holder in {"", own.over}:
        yield ok("this box leads from its next change on")
    else:
        yield error(elsewhere(lease), command("agent stop", note="to make this box a member, move its state directory away and join"))


def leader(state: MemberState) -> Iterator[CheckFinding]:
    """`leader`: the leader of this member answers, and the images are here."""
    now = state.now
    if now is None:
        yield warning(f"{state.leader}: not asked, as the agent does not run", command("agent start"))
        return
    if now.trouble:
        kept = (
            f"{now.here} of {now.images} images are here and kept; until it answers nothing new comes, and nothing can be staged or applied"
        )
        yield warning(f"{state.leader} does not answer since {now.since}: {now.trouble}; {kept}")
    elif now.reached:
        yield ok(f"{state.leader} answered at {now.reached}")
    else:
        yield ok(f"{state.leader} was not asked yet")
    if now.problem:
        yield error(now.problem)
    for image, why in now.missing:
        yield warning(f"{image} is not here: {why}")


LEAD = Check("lead", "Lead", "Only the box that has the cluster's lease may change it.", lead, ("lead",))
LEADER = Check("leader", "Leader", "It tells this node which images to keep, and provides them.", leader, ("leader",))
IDS = frozenset({LEAD.id, LEADER.id})


def is_member(state_dir: Path) -> bool:
    """Without importing anything for that."""
    return (state_dir / "nodes" / "membership.json").exists()


def of_box(checks: tuple[Check, ...], state_dir: Path) -> tuple[Check, ...]:
    """The checks that this box has."""
    if is_member(state_dir):
        return (*(check for check in checks if check.id in OF_MEMBER), LEADER)
    return (*checks, LEAD) if identity.path(state_dir).exists() else checks


def facts(state_dir: Path, cluster: Callable[[], Cluster]) -> dict[str, Fact[LeadState] | Fact[MemberState]]:
    """By name."""
    return {"lead": Fact(lambda: _lead(state_dir, cluster)), "leader": Fact(lambda: _leader(state_dir))}


def _lead(state_dir: Path, cluster: Callable[[], Cluster]) -> LeadState:
    return LeadState(identity.read(state_dir) or identity.Leader("none"), cluster().lease())


def _leader(state_dir: Path) -> MemberState:
    from kelvin_provision.agent.lifecycle import process
    from kelvin_provision.nodes.member import now

    return MemberState(now.leader_of(state_dir), now.read(state_dir) if process.alive(state_dir) else None)
