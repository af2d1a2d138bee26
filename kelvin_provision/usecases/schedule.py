"""Schedule an apply by the agent, and cancel it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from kelvin_provision import timestamps
from kelvin_provision.applying import schedule as rules
from kelvin_provision.applying.selection import appliable, choose, select
from kelvin_provision.context import Context
from kelvin_provision.ledger import orders, repeats
from kelvin_provision.ledger.model.orders import Order, Target
from kelvin_provision.naming import listed
from kelvin_provision.usecases.order import refuse_moved, staged_numbers
from kelvin_provision.usecases.waking import NO_SERVICE_WARNING, wake


@dataclass(frozen=True)
class ScheduleRequest:
    """Empty `names` means all staged workloads. `at` has a time zone. `digest` and `seen` are as in `order.Change`; without a
    digest there are no repetitions.
    """

    at: datetime
    names: tuple[str, ...] = ()
    force: bool = False
    digest: str = ""
    seen: tuple[Target, ...] = ()


@dataclass(frozen=True)
class ScheduleResult:
    """`order` is None when nothing is staged."""

    at: datetime
    names: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    order: Order | None = None


@dataclass(frozen=True)
class CancelResult:
    """`cancelled` may name more workloads than the request: a scheduled apply of several is cancelled as a whole."""

    cancelled: tuple[str, ...]
    unchanged: tuple[str, ...] = ()


def schedule(ctx: Context, request: ScheduleRequest) -> ScheduleResult:
    """Check the request, store the order, wake the agent.

    Raises UsageRefused, WorkloadUnknown, NothingStaged, StagingFailed, ApplyFailed, VersionRefused, ClockBehind, OutsideWindow, NotReady,
    AgentSilent.
    """
    earlier = repeats.repeated(ctx.ledger, request.digest) if request.digest else None
    if earlier is not None:
        return ScheduleResult(request.at, earlier.names, order=earlier)
    everything = not request.names
    selection = select(choose(ctx.ledger, request.names, everything=everything), everything=everything)
    workloads = selection.workloads
    if not workloads:
        return ScheduleResult(request.at)
    refuse_moved(request.seen, staged_numbers(workloads))
    names = tuple(workload.name for workload in workloads)
    rules.refuse_wrong_clock(workloads, ctx.now)
    rules.refuse_what_applies_itself(workloads)
    if not request.force:
        rules.refuse_closed(request.at, ctx.settings.apply.window, names)
    at = timestamps.rfc3339(request.at)
    key = repeats.key_of(request.digest) if request.digest else ""
    apply_order = orders.apply_of(workloads, actor=ctx.actor, at=at, forced=request.force, everything=everything, key=key)
    placed = orders.place(ctx.ledger, apply_order)
    replaced = dict.fromkeys(name for order in placed.cancelled for name in order.names)
    woken = wake(ctx)
    late = [workload.name for workload in workloads if workload.staged and not appliable(workload.staged)]
    warnings = (
        *(f"left out: {reason}" for reason in selection.left_out),
        *(f"{name} was scheduled together with one of these; its apply is cancelled, too" for name in replaced if name not in names),
        *((f"{listed(late)}: not ready yet; workloads that are not ready at that time are not applied",) if late else ()),
        *woken,
        *(() if ctx.launcher.survives_reboot(ctx.settings) else (NO_SERVICE_WARNING,)),
    )
    return ScheduleResult(request.at, names, warnings, placed.order)


def cancel(ctx: Context, names: Sequence[str] = ()) -> CancelResult:
    """Cancel the scheduled applies of these workloads, or all of them without names. Raises WorkloadUnknown."""
    meant = [workload.name for workload in ctx.ledger.workloads(names)] if names else ctx.ledger.names()
    ended = orders.cancel_naming(ctx.ledger, meant, actor=ctx.actor)
    cancelled = tuple(dict.fromkeys(name for order in ended for name in order.names))
    return CancelResult(cancelled, tuple(name for name in meant if names and name not in cancelled))
