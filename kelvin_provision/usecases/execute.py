"""From an order to its use-case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from kelvin_provision.context import Context
from kelvin_provision.errors import OurBug
from kelvin_provision.events import Note
from kelvin_provision.ledger import orders
from kelvin_provision.ledger.model.orders import Order, Outcome
from kelvin_provision.quantity import format_bytes
from kelvin_provision.rehearsing.orders import carry_out
from kelvin_provision.status import Verb
from kelvin_provision.usecases import start_stop
from kelvin_provision.usecases.apply import ApplyRequest, apply
from kelvin_provision.usecases.operation import OrderTicket
from kelvin_provision.usecases.prune import PruneResult, prune
from kelvin_provision.usecases.rollback import RollbackRequest, rollback
from kelvin_provision.usecases.undeploy import UndeployRequest, undeploy


def execute(ctx: Context, order: Order, *, still_valid: Callable[[], bool]) -> None:
    """Carry out an order under the operator lock, in the name of its actor. Raises what the use-case raises.

    An order with nothing to do, such as stopping a stopped workload, succeeds.
    """
    command = f"agent: {order.verb} {', '.join(order.names)}".rstrip()
    ticket = OrderTicket(command, ctx.timings.lock_wait_agent, still_valid, order, recovered_by=ctx.actor)
    ctx = replace(ctx, actor=order.actor)
    names, arguments, note = order.names, order.arguments, ""
    match order.verb:
        case Verb.APPLY:
            _apply(ctx, order, ticket)
        case Verb.ROLLBACK:
            to = arguments.get("to")
            rollback(ctx, RollbackRequest(names, to if isinstance(to, int) else None), ticket)
        case Verb.START:
            start_stop.start(ctx, names, ticket=ticket)
        case Verb.STOP:
            start_stop.stop(ctx, names, ticket=ticket)
        case Verb.UNDEPLOY:
            undeploy(ctx, UndeployRequest(names, staged=arguments.get("staged") is True), ticket)
        case Verb.PRUNE:
            note = _told(prune(ctx, orphans=arguments.get("orphans") is True, ticket=ticket))
        case Verb.REHEARSE:
            note = carry_out(ctx, order, command)
        case Verb.DEPLOY | Verb.HOLD | Verb.RELEASE:
            raise OurBug(f"{order.verb} cannot be an order")
    if ticket.still_valid():
        orders.end(ctx.ledger, order, Outcome.DONE, note, actor=ctx.actor)


def _apply(ctx: Context, order: Order, ticket: OrderTicket) -> None:
    for warning in apply(ctx, ApplyRequest(order.names, force=order.forced, everything=order.everything), ticket).warnings:
        ctx.progress(Note(f"applying {', '.join(order.names)}: {warning}"))


def _told(result: PruneResult) -> str:
    """What was freed, for who reads the order."""
    images = len(result.plan.images) + len(result.plan.orphans) - len(result.pruned.still_in_runtime)
    return "; ".join((f"freed {format_bytes(result.pruned.store_bytes)} in the store, {images} images in the runtime", *result.warnings))
