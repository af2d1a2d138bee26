"""The scheduler: which groups may be applied now, and which orders are due.

A closed window and a hold are no failures: they end by themselves. Every turn checks again what waits for them, and preempts a
download when they end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from kelvin_provision.agent.queue import Group, complete_groups, pending
from kelvin_provision.applying.gate import obstacle
from kelvin_provision.applying.schedule import Timing, timing
from kelvin_provision.applying.selection import still_staging
from kelvin_provision.context import Context
from kelvin_provision.errors import Interrupted, Locked, ProvisionError, WorkloadHeld
from kelvin_provision.events import Note
from kelvin_provision.ledger import orders
from kelvin_provision.ledger.model.orders import Order, Outcome
from kelvin_provision.ledger.model.workloads import Workload
from kelvin_provision.ledger.staging_state import ApplyMissed, Waiting, reason_of
from kelvin_provision.status import Verb
from kelvin_provision.usecases.execute import execute


def admissible(ctx: Context, groups: Sequence[Group]) -> list[Group]:
    """Groups that may be applied now."""
    return [group for group in groups if _obstacle(ctx, group) is None]


def record_waiting(ctx: Context, groups: Sequence[Group]) -> None:
    """Record what each inadmissible group waits for, so that `list` can say it."""
    for group in groups:
        reason = _obstacle(ctx, group)
        if reason is None:
            continue
        for workload in group:
            if workload.staged:
                ctx.ledger.advance(workload.staged, Waiting(reason_of(reason)))


def _obstacle(ctx: Context, group: Group) -> ProvisionError | None:
    return obstacle(group, ctx.settings.apply.window, ctx.now)


def left_to_do(ctx: Context, workloads: Sequence[Workload]) -> tuple[Workload, ...]:
    """What needs work of the agent, without groups that are held: that ends when a person, or the workload, says so."""
    groups = (group for group in complete_groups(workloads) if isinstance(_obstacle(ctx, group), WorkloadHeld))
    held = {workload.name for group in groups for workload in group}
    return tuple(workload for workload in pending(workloads) if workload.name not in held)


def is_held(ctx: Context, order: Order) -> bool:
    """Whether an order to apply waits for a release."""
    if order.verb is not Verb.APPLY or order.forced:
        return False
    return isinstance(_obstacle(ctx, tuple(ctx.ledger.existing(order.names).values())), WorkloadHeld)


def change_token(ctx: Context) -> object:
    """A value that changes when another process has written the ledger, the window has opened or closed, or an order is due."""
    window, now = ctx.settings.apply.window, ctx.now
    return (ctx.ledger.version()[0], window is None or window.is_open(now), tuple(order.id for order in due(ctx)))


def due(ctx: Context) -> tuple[Order, ...]:
    """Due orders that can be begun."""
    return tuple(order for order in orders.pending(ctx.ledger) if _timing(ctx, order) is Timing.DUE and not _unready(ctx, order))


def _unready(ctx: Context, order: Order) -> list[str]:
    """Names that an apply would have to wait for. What cannot be staged is not waited for: the apply leaves it out, or says so at once."""
    return still_staging(tuple(ctx.ledger.existing(order.names).values())) if order.verb is Verb.APPLY else []


def has_scheduled(ctx: Context) -> bool:
    """Whether an order is pending, so that there will be work without any other change."""
    return bool(orders.pending(ctx.ledger))


def expire(ctx: Context) -> None:
    """End invalid and missed orders; record what the other due orders wait for."""
    orders.cancel_replaced(ctx.ledger, actor=ctx.actor)
    for order in orders.pending(ctx.ledger):
        when = _timing(ctx, order)
        if when is Timing.MISSED:
            _miss(ctx, order)
        elif when is Timing.DUE and (late := _unready(ctx, order)):
            orders.note(ctx.ledger, order, f"{', '.join(late)} not ready")


def _miss(ctx: Context, order: Order) -> None:
    reason = order.note or "the box or the agent was not up in time, or the clock was wrong"
    orders.expire(ctx.ledger, order, reason, actor=ctx.actor)
    for workload in ctx.ledger.existing(order.names).values() if order.verb is Verb.APPLY else ():
        if workload.staged:
            text = f"the apply that {order.actor} asked for at {order.at} was missed: {reason}"
            ctx.ledger.advance(workload.staged, ApplyMissed(text))
    ctx.progress(Note(f"{label(order)} at {order.at} was missed: {reason}"))


def carry_out(ctx: Context, order: Order) -> None:
    """Carry out an order, exactly once: the commit that begins its operation begins the order, so a crash does not repeat it."""

    def still_due() -> bool:
        current = _pending(ctx, order)
        return current is not None and _timing(ctx, current) is Timing.DUE

    if order.verb is Verb.REHEARSE:
        ctx = replace(ctx, stop=_giving_way(ctx))
    try:
        execute(ctx, order, still_valid=still_due)
    except Locked as error:
        ctx.progress(Note(f"{label(order)} waits: {error}"))
    except ProvisionError as error:
        _defer(ctx, order, error)


def _giving_way(ctx: Context) -> Callable[[], bool]:
    """Whether a rehearsal has to end: with the agent, or for an order that changes something. It is tried again afterwards."""
    looked = time.monotonic()
    others = False

    def stop() -> bool:
        nonlocal looked, others
        if not others and time.monotonic() - looked > ctx.timings.poll:
            looked, others = time.monotonic(), any(other.verb is not Verb.REHEARSE for other in due(ctx))
        return ctx.stop() or others

    return stop


def _defer(ctx: Context, order: Order, error: ProvisionError) -> None:
    """What heals by itself may still come in time; anything else ends the order, unless it has begun: then its operation ends it."""
    current = _pending(ctx, order)
    if current is not None and isinstance(error, Interrupted):
        return  # the agent ends, and nothing has begun: the next agent may still be in time
    if current is not None and (error.temporary or error.exit_code == Locked.exit_code):
        text = "held" if isinstance(error, WorkloadHeld) else str(error)
        if current.note != text:
            ctx.progress(Note(f"{label(order)} waits: {error}"))
        orders.note(ctx.ledger, current, text)
        return
    orders.end(ctx.ledger, order, Outcome.FAILED, str(error), error.evidence, actor=ctx.actor)
    ctx.progress(Note(f"{label(order)}: {error}"))


def label(order: Order) -> str:
    """As the log names it: `applying pump`, `stop of pump`."""
    verb = "applying" if order.verb is Verb.APPLY else f"{order.verb} of"
    return f"{verb} {', '.join(order.names)}" if order.names else str(order.verb)


def _pending(ctx: Context, order: Order) -> Order | None:
    return next((current for current in orders.pending(ctx.ledger) if current.id == order.id), None)


def _timing(ctx: Context, order: Order) -> Timing:
    return timing(order, ctx.now, ctx.settings.apply.grace)
