"""The first page after a login: is the box well, what runs, what waits, and can it go now."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace

from starlette.datastructures import QueryParams
from starlette.responses import Response

from kelvin_provision.api.messages.documents import solution
from kelvin_provision.api.messages.parameters import refuse_unknown, single
from kelvin_provision.api.messages.refusals import Refusal
from kelvin_provision.api.routes.orders import MOST_NAMES
from kelvin_provision.api.services import Call
from kelvin_provision.api.ui.rendering import page
from kelvin_provision.api.ui.strings.texts import Texts, deferred, texts_of
from kelvin_provision.api.ui.words import card
from kelvin_provision.applying import gate
from kelvin_provision.context import Context
from kelvin_provision.following.overview import notes
from kelvin_provision.following.overview import overview as following
from kelvin_provision.hints import command
from kelvin_provision.nodes.overview import NodeItem, nodes
from kelvin_provision.queries.listing import Cursor, Query
from kelvin_provision.queries.overview import Overview, OverviewRequest, overview
from kelvin_provision.spec.enums import State
from kelvin_provision.status import Situation, of_staged

PAGE_SIZE = 50
_AGENT = solution(command("agent start"))
READY = "ready"
FILTERS = {
    "": deferred("All"),
    READY: deferred("Ready to activate"),
    "running": deferred("Running"),
    "stopped": deferred("Stopped"),
    "failed": deferred("Failed"),
    "unreachable": deferred("Unreachable"),
    "staged": deferred("Not running yet"),
}
_STATES = {key: (State(key),) for key in FILTERS if key not in {"", READY}}
_LITTLE_SPACE = 0.05


@dataclass(frozen=True)
class _Box:
    """`ready` are names of what can be activated; `closed` says when the window opens.

    `notes` are those of publications; `nodes` are away, or lack images that they could not get.
    """

    seen: Overview
    ready: tuple[str, ...]
    closed: str
    full_disk: bool
    notes: tuple[str, ...] = ()
    nodes: tuple[NodeItem, ...] = ()


async def listed(call: Call) -> Response:
    query = call.request.query_params
    refuse_unknown(query.keys(), ("search", "state", "page"))
    search, state = single(query, "search") or "", single(query, "state") or ""
    if state not in FILTERS:
        raise Refusal("bad-query", f"state is {state[:60]!r}; accepted are {', '.join(FILTERS)}")
    box, _ = await call.box.ask(_read, _request(query, search, state)), texts_of(call.request)
    seen = box.seen.page
    cards = [card(_, item, box.seen.percents.get(item.name)) for item in seen.items]
    more = {"next": seen.next_page, "previous": seen.previous_page}
    chosen = {"search": search, "state": state, "filtered": bool(search or state)}
    return page(call, "workloads.html", box_now=box, warnings=_warnings(_, box), cards=cards, filters=FILTERS, more=more, chosen=chosen)


def _request(query: QueryParams, search: str, state: str) -> OverviewRequest:
    if cursor := single(query, "page"):
        decoded = Cursor.decode(cursor)
        return OverviewRequest(cursor=replace(decoded, size=min(decoded.size, PAGE_SIZE)))
    filters = Query(search=(search,) if search else (), state=_STATES.get(state, ()))
    return OverviewRequest(replace(filters, staged=True, state=(State.READY,)) if state == READY else filters, PAGE_SIZE)


def _read(ctx: Context, request: OverviewRequest) -> _Box:
    seen = overview(ctx, request)
    if request.staged:  # found by the staged version, shown as what runs and what is staged
        both = overview(ctx, OverviewRequest(Query(name=tuple(item.name for item in seen.page.items)))) if seen.page.items else seen
        seen = replace(both, page=replace(seen.page, items=both.page.items))
    closed = gate.closed(ctx.settings.apply.window, ctx.now, ())
    disk = shutil.disk_usage(ctx.settings.state_dir)
    full_disk = disk.free < _LITTLE_SPACE * disk.total
    lacking = tuple(item for item in nodes(ctx).nodes if item.node.away or item.failed)
    return _Box(seen, ready_names(ctx), str(closed or ""), full_disk, tuple(notes(following(ctx))), lacking)


def _warnings(_: Texts, box: _Box) -> list[str]:
    texts = [_("The agent is not running, and there is work for it. At the box: {command}", command=_AGENT)] if box.seen.unattended else []
    texts += [box.seen.full] if box.seen.full else []
    return [*texts, _("The disk is nearly full.")] if box.full_disk else texts


def ready_names(ctx: Context) -> tuple[str, ...]:
    """What an apply of everything would take, what is held included; at most MOST_NAMES. Reads no workload."""
    return ctx.ledger.names_in(_is_ready)[:MOST_NAMES]


def _is_ready(now: Situation | None) -> bool:
    slot = now.staged if now else None
    return slot is not None and slot.method.staged and of_staged(slot).state is State.READY and not slot.trouble
