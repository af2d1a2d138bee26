"""An order from its acceptance to its end. It is in the ledger: a reload, another telephone and the terminal show the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from kelvin_provision import timestamps
from kelvin_provision.api.messages.parameters import refuse_unknown
from kelvin_provision.api.services import Call
from kelvin_provision.api.ui.handlers.workload import course_of, earlier
from kelvin_provision.api.ui.rendering import page
from kelvin_provision.api.ui.strings.texts import texts_of
from kelvin_provision.api.ui.words import Course, card, headline, steps, title_of
from kelvin_provision.context import Context
from kelvin_provision.ledger import orders
from kelvin_provision.ledger.model.orders import Order, Outcome
from kelvin_provision.queries.items import WorkloadItem
from kelvin_provision.queries.listing import Query
from kelvin_provision.queries.overview import OverviewRequest, overview
from kelvin_provision.status import Verb


@dataclass(frozen=True)
class _Shown:
    order: Order
    course: Course
    items: tuple[WorkloadItem, ...] = ()
    undo: tuple[str, ...] = ()


async def shown(call: Call) -> Response:
    """By the number of the order, or by its code."""
    refuse_unknown(call.request.query_params.keys(), ())
    seen, _ = await call.box.ask(_read, call.in_path("order")), texts_of(call.request)
    order, cards = seen.order, [card(_, item) for item in seen.items]
    head = headline(_, order, {item.name: item.status.state for item in seen.items}, seen.course)
    failed = order.outcome is Outcome.FAILED
    values: dict[str, Any] = {"title": title_of(_, order), "head": head, "steps": steps(_, order, cards), "cards": cards, "undo": seen.undo}
    return page(call, "operation.html", order=order, reason=timestamps.with_local_times(order.note) if failed else "", **values)


def _read(ctx: Context, text: str) -> _Shown:
    """Raises OrderUnknown."""
    with ctx.ledger.reading():  # all of one moment
        order = orders.named(ctx.ledger, text)
        course = course_of(ctx, order)
        items = overview(ctx, OverviewRequest(Query(name=order.names))).page.items if order.names else ()
        done = order.outcome is Outcome.DONE and order.verb is Verb.APPLY
        undo = order.names if done and len(items) == len(order.names) and all(_still(ctx, order)) else ()
    return _Shown(order, course, items, undo)


def _still(ctx: Context, order: Order) -> list[bool]:
    """Of each workload, whether what it applied runs still, and an earlier version is kept."""
    existing = ctx.ledger.existing(order.names)
    numbers = {name: workload.running.number for name, workload in existing.items() if workload.running}
    return [numbers.get(target.workload) == target.revision and earlier(ctx, target.workload) is not None for target in order.targets]
