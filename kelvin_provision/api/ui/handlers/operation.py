"""An order from its acceptance to its end. It is in the ledger: a reload, another telephone and the terminal show the same."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from kelvin_provision.api.messages.parameters import refuse_unknown
from kelvin_provision.api.messages.refusals import Refusal
from kelvin_provision.api.services import Call
from kelvin_provision.api.ui.handlers.workload import earlier
from kelvin_provision.api.ui.rendering import page
from kelvin_provision.api.ui.strings.texts import deferred, texts_of
from kelvin_provision.api.ui.words import card, headline, steps, title_of
from kelvin_provision.context import Context
from kelvin_provision.ledger import orders
from kelvin_provision.ledger.model import Order, Outcome
from kelvin_provision.quantity import parse_count
from kelvin_provision.queries.items import WorkloadItem
from kelvin_provision.queries.listing import Query
from kelvin_provision.queries.overview import OverviewRequest, overview
from kelvin_provision.status import Verb


@dataclass(frozen=True)
class _Shown:
    order: Order
    items: tuple[WorkloadItem, ...]
    undo: tuple[str, ...] = ()


async def shown(call: Call) -> Response:
    refuse_unknown(call.request.query_params.keys(), ())
    text = call.request.path_params["order"]
    seen = await call.box.ask(_read, parse_count(text) or 0)
    if seen is None:
        raise Refusal("order-unknown", f"there is no operation {text[:40]!r}, or it is too old", deferred("see the history"))
    order, _ = seen.order, texts_of(call.request)
    cards = [card(_, item) for item in seen.items]
    head = headline(_, order, {item.name: item.status.state for item in seen.items})
    return page(
        call, "operation.html", order=order, title=title_of(_, order), head=head, steps=steps(_, order, cards), cards=cards, undo=seen.undo
    )


def _read(ctx: Context, number: int) -> _Shown | None:
    order = orders.find(ctx.ledger, number)
    if order is None:
        return None
    items = overview(ctx, OverviewRequest(Query(name=order.names))).page.items
    done = order.outcome is Outcome.DONE and order.verb is Verb.APPLY
    undo = order.names if done and len(items) == len(order.names) and all(_still(ctx, order)) else ()
    return _Shown(order, items, undo)


def _still(ctx: Context, order: Order) -> list[bool]:
    """Of each workload, whether what it applied runs still, and an earlier version is kept."""
    existing = ctx.ledger.existing(order.names)
    numbers = {name: workload.running.number for name, workload in existing.items() if workload.running}
    return [numbers.get(target.workload) == target.revision and earlier(ctx, target.workload) is not None for target in order.targets]
