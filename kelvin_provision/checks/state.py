"""Checks of this program's own state: ledger, interrupted operations, agent, unused data. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kelvin_provision.check_result import CheckFinding, error, ok, warning
from kelvin_provision.hints import command
from kelvin_provision.ledger.model import Operation, Workload
from kelvin_provision.quantity import format_bytes
from kelvin_provision.store.gc.unreferenced import Unreferenced

PRUNE = command("images prune")
PRUNE_ORPHANS = command("images prune", "--orphans")
INSTALL = command("agent install")


@dataclass(frozen=True)
class LedgerState:
    """What the ledger knows. `holder` says who holds the operator lock now, empty for nobody."""

    workloads: tuple[Workload, ...] = ()
    unfinished: Operation | None = None
    broken: int | None = None
    holder: str = ""


@dataclass(frozen=True)
class AgentState:
    """`alive` in words, empty when it is not; `service`: systemd starts it with the box; `systemd`: there is one here."""

    alive: str
    service: bool
    systemd: bool
    pending: tuple[str, ...] = ()
    workloads: int = 0


@dataclass(frozen=True)
class UnusedData:
    """What nobody needs: in the store, and names in the runtime that carry our label."""

    store: Unreferenced
    runtime: tuple[str, ...] = ()


def state(kept: LedgerState) -> Iterator[CheckFinding]:
    """`state`: the ledger can be read, and its history is whole."""
    if kept.broken is not None:
        yield error(f"line {kept.broken} of the history was changed, or one before it removed", command("workloads history", "--verify"))
        return
    staged = sum(one.staged is not None for one in kept.workloads)
    many = len(kept.workloads)
    yield ok(f"{many} workload{'' if many == 1 else 's'}, {staged} staged; the history is whole" if many else "no workload yet")


def operations(kept: LedgerState) -> Iterator[CheckFinding]:
    """`operations`: nothing was left half done."""
    doing = kept.unfinished
    if doing is None:
        yield ok("no interrupted operation")
        return
    names = ", ".join(step.workload for step in doing.steps)
    if kept.holder:
        yield ok(f"{doing.kind.value} of {names} is under way: {kept.holder}")
    else:
        where = f"{doing.phase.value}, since {doing.started}"
        text = f"{doing.kind.value} of {names} was interrupted ({where}); the agent or the next change will finish or undo it"
        yield warning(text, command("agent run"))


def agent(found: AgentState) -> Iterator[CheckFinding]:
    """`agent`: alive, and back after a reboot."""
    if not found.alive:
        if not found.workloads:
            yield ok("not needed: no workloads")
            return
        many = f"{found.workloads} workload{'' if found.workloads == 1 else 's'}"
        doing = f"; {', '.join(found.pending)}: waiting for it" if found.pending else ""
        yield warning(f"not running: {many} without supervision{doing}", INSTALL)
    elif not found.service:
        more = "" if found.systemd else " (systemd is not running)"
        yield warning(f"{found.alive}, but not a service: it does not survive a reboot{more}", INSTALL)
    else:
        yield ok(f"{found.alive}, a service")


def orphans(found: UnusedData) -> Iterator[CheckFinding]:
    """`orphans`: what takes room and is needed by nobody."""
    kinds = (
        ("blob{}", found.store.blobs),
        ("partial download{}", found.store.partials),
        ("quarantined file{}", found.store.quarantined),
    )
    parts = [f"{count} {what.format('' if count == 1 else 's')} ({format_bytes(weight)})" for what, (count, weight) in kinds if count]
    if found.runtime:
        parts.append(f"{len(found.runtime)} image{'' if len(found.runtime) == 1 else 's'} in the runtime")
    if parts:
        yield warning(f"not needed by any kept revision: {', '.join(parts)}", PRUNE_ORPHANS if found.runtime else PRUNE)
    else:
        yield ok("no unused data")
