"""Checks of this program's own state: ledger, interrupted operations, agent, unused data. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kelvin_provision.check_result import CheckFinding, error, ok, warning
from kelvin_provision.hints import command
from kelvin_provision.ledger.model.operations import Operation
from kelvin_provision.quantity import format_bytes
from kelvin_provision.store.gc.unreferenced import Unreferenced

PRUNE = command("images prune")
PRUNE_ORPHANS = command("images prune", "--orphans")
INSTALL = command("agent install")


@dataclass(frozen=True)
class LedgerState:
    """What the ledger contains. `broken` is the first history entry whose hash is wrong; `holder` describes who holds the operator lock."""

    workloads: int = 0
    staged: int = 0
    unfinished: Operation | None = None
    broken: int | None = None
    holder: str = ""
    damaged: tuple[str, ...] = ()
    """What cannot be read, row by row."""


@dataclass(frozen=True)
class AgentState:
    """`alive` describes the running agent, empty if there is none; `service`: systemd starts it at boot; `systemd`: it runs here.

    `member`: this node keeps images for its leader.
    """

    alive: str
    service: bool
    systemd: bool
    pending: tuple[str, ...] = ()
    workloads: int = 0
    member: bool = False


@dataclass(frozen=True)
class UnusedData:
    """Data that no kept revision needs: in the store, and images of ours in the runtime."""

    store: Unreferenced
    runtime: tuple[str, ...] = ()


def state(ledger: LedgerState) -> Iterator[CheckFinding]:
    """`state`: the ledger can be read, and its history is intact."""
    for text in ledger.damaged:
        yield error(text, command("support-bundle", instruction="keep a copy of the state directory"))
    if ledger.broken is not None:
        yield error(f"line {ledger.broken} of the history was changed, or one before it removed", command("workloads history", "--verify"))
        return
    if ledger.damaged:
        return
    count = ledger.workloads
    yield ok(f"{count} workload{'' if count == 1 else 's'}, {ledger.staged} staged; the history is intact" if count else "no workload yet")


def operations(ledger: LedgerState) -> Iterator[CheckFinding]:
    """`operations`: none was interrupted."""
    operation = ledger.unfinished
    if operation is None:
        yield ok("no interrupted operation")
        return
    names = ", ".join(step.workload for step in operation.steps)
    if ledger.holder:
        yield ok(f"{operation.kind.value} of {names} is under way: {ledger.holder}")
    else:
        where = f"{operation.phase.value}, since {operation.started}"
        text = f"{operation.kind.value} of {names} was interrupted ({where}); the agent or the next change will finish or undo it"
        yield warning(text, command("agent start"))


def agent(agent_state: AgentState) -> Iterator[CheckFinding]:
    """`agent`: running, and started at boot."""
    if not agent_state.alive:
        if agent_state.member:
            yield warning("not running: the images that this node keeps for its leader are without supervision", INSTALL)
            return
        if not agent_state.workloads:
            yield ok("not needed: no workloads")
            return
        many = f"{agent_state.workloads} workload{'' if agent_state.workloads == 1 else 's'}"
        operation = f"; {', '.join(agent_state.pending)}: waiting for it" if agent_state.pending else ""
        yield warning(f"not running: {many} without supervision{operation}", INSTALL)
    elif not agent_state.service:
        more = "" if agent_state.systemd else " (systemd is not running)"
        yield warning(f"{agent_state.alive}, but not a service: it does not survive a reboot{more}", INSTALL)
    else:
        yield ok(f"{agent_state.alive}, a service")


def orphans(unused: UnusedData) -> Iterator[CheckFinding]:
    """`orphans`: data that no kept revision needs."""
    kinds = (
        ("blob{}", unused.store.blobs),
        ("partial download{}", unused.store.partials),
        ("quarantined file{}", unused.store.quarantined),
    )
    parts = [f"{count} {what.format('' if count == 1 else 's')} ({format_bytes(weight)})" for what, (count, weight) in kinds if count]
    if unused.runtime:
        parts.append(f"{len(unused.runtime)} image{'' if len(unused.runtime) == 1 else 's'} in the runtime")
    if parts:
        yield warning(f"not needed by any kept revision: {', '.join(parts)}", PRUNE_ORPHANS if unused.runtime else PRUNE)
    else:
        yield ok("no unused data")
