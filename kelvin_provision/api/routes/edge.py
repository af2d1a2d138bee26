"""Routes of our own, `/edge/v1/*`: what the platform has no route for."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from kelvin_provision.api.messages.body import content, fields_in, fields_of, true_or_false, whole_number
from kelvin_provision.api.messages.documents import answer, empty
from kelvin_provision.api.messages.parameters import flag, many, number, refuse_unknown, single
from kelvin_provision.api.messages.refusals import Refusal
from kelvin_provision.api.routes.workloads import packaged
from kelvin_provision.api.services import Call
from kelvin_provision.api.work.asking import asked
from kelvin_provision.context import Context
from kelvin_provision.ledger import orders
from kelvin_provision.queries.agent import agent as agent_of
from kelvin_provision.queries.history import HistoryRequest, history
from kelvin_provision.queries.items import order_to_json
from kelvin_provision.status import Verb
from kelvin_provision.usecases import hold as holding
from kelvin_provision.usecases.order import Change, order

LINES = 100
MOST = 1000
LONGEST_REASON = 500
MOST_SECONDS = 3600
MOST_REVISION = (1 << 31) - 1


async def agent(call: Call) -> Response:
    """Whether it is alive, what it does, and what waits for it."""
    refuse_unknown(call.request.query_params.keys(), ())
    return answer(await call.box.ask(lambda ctx: agent_of(ctx).to_json()))


async def listed_history(call: Call) -> Response:
    """The newest lines, oldest first."""
    query = call.request.query_params
    refuse_unknown(query.keys(), ("workload_name", "order", "limit"))
    limit, order = number(query, "limit", LINES, MOST), single(query, "order") or ""
    return answer(await call.box.ask(_history, HistoryRequest(many(query, "workload_name"), newest=limit, order=order)))


def _history(ctx: Context, request: HistoryRequest) -> dict[str, Any]:
    return history(ctx, request).to_json()


async def listed_orders(call: Call) -> Response:
    """In all states, the newest first."""
    query = call.request.query_params
    refuse_unknown(query.keys(), ("limit",))
    limit = number(query, "limit", LINES, MOST)
    return answer({"data": await call.box.ask(lambda ctx: [order_to_json(order) for order in orders.recent(ctx.ledger, limit)])})


async def shown_order(call: Call) -> Response:
    """By its number or its code."""
    text = call.in_path("order")
    refuse_unknown(call.request.query_params.keys(), ())
    return answer(order_to_json(await call.box.ask(lambda ctx: orders.named(ctx.ledger, text))))


async def package(call: Call) -> Response:
    query = call.request.query_params
    refuse_unknown(query.keys(), ("running",))
    return await packaged(call, running=flag(query, "running") or False)


async def diff(call: Call) -> Response:
    return await _asked(call, "diff")


async def check(call: Call) -> Response:
    return await _asked(call, "check")


async def _asked(call: Call, question: str) -> Response:
    """Of a staged version, from the agent."""
    refuse_unknown(call.request.query_params.keys(), ())
    await call.require_workload()
    return answer(await asked(call.box, question, {"names": [call.name]}))


async def rollback(call: Call) -> Response:
    """To what ran before, or to the kept revision `to`. The answer is the order."""
    body = await content(call.request)
    given = fields_in(body, ("to",)).get("to")
    to = whole_number(given, MOST_REVISION)
    if given is not None and to is None:
        raise Refusal("bad-body", "to is not the number of a revision", "see the revisions in GET /edge/v1/history")
    key = call.digest(body)
    ordered = await call.box.act(call.principal.actor, order, Change(Verb.ROLLBACK, (call.name,), key, to=to))
    return answer({"order": order_to_json(ordered.order)}, 202)


async def rehearse(call: Call) -> Response:
    """The staged version, beside the running one. The answer is the order; its result stands with the workload."""
    body = await content(call.request)
    given = fields_in(body, ("seconds", "allow_network", "real_volumes", "jobs"))
    seconds = whole_number(given.get("seconds"), MOST_SECONDS)
    if given.get("seconds") is not None and seconds is None:
        raise Refusal("bad-body", f"seconds is not a number up to {MOST_SECONDS}", "leave it out for apply.settle")
    if given.get("real_volumes") not in (None, "ro"):  # a list, as it may be an object
        raise Refusal("bad-body", "real_volumes is not ro", "a rehearsal never writes to real data")
    flags = {name: true_or_false(given, name) for name in ("allow_network", "jobs")}
    arguments = {"seconds": seconds, "real_volumes": given.get("real_volumes") == "ro", **flags}
    chosen = {name: value for name, value in arguments.items() if value}
    change = Change(Verb.REHEARSE, (call.name,), call.digest(body), arguments=chosen)
    ordered = await call.box.act(call.principal.actor, order, change)
    return answer({"order": order_to_json(ordered.order)}, 202)


async def hold(call: Call) -> Response:
    """Nothing of it is applied until it is released."""
    reason = (await fields_of(call.request, ("reason",))).get("reason")
    if not isinstance(reason, str) or not reason.strip() or len(reason) > LONGEST_REASON:
        raise Refusal("bad-body", f"a hold needs a reason, of at most {LONGEST_REASON} characters", 'send {"reason": "why"}')
    await call.box.act(call.principal.actor, holding.hold, [call.name], reason)
    return empty(204)


async def release(call: Call) -> Response:
    await fields_of(call.request, ())
    await call.box.act(call.principal.actor, holding.release, [call.name])
    return empty(204)
