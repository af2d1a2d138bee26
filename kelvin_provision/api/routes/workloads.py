"""The routes `/api/v4/workloads/*` that look, and the deploy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from kelvin_provision import timestamps
from kelvin_provision.api.messages.body import content
from kelvin_provision.api.messages.documents import answer
from kelvin_provision.api.messages.parameters import number, refuse_unknown, single
from kelvin_provision.api.messages.refusals import Refusal
from kelvin_provision.api.routes.listing import page
from kelvin_provision.api.services import Call
from kelvin_provision.api.work.asking import asked
from kelvin_provision.api.work.repeats import digest
from kelvin_provision.context import Context
from kelvin_provision.queries.logs import MOST_LINES
from kelvin_provision.queries.workload import WorkloadRequest, workload

TAIL_LINES = 1000
"""Lines of each container, if the client does not say how many."""


async def listed(call: Call) -> Response:
    return await page(call)


async def get(call: Call) -> Response:
    refuse_unknown(call.request.query_params.keys(), ())
    return answer(await call.box.ask(_document, call.name))


def _document(ctx: Context, name: str) -> dict[str, Any]:
    return workload(ctx, WorkloadRequest(name)).to_json()


async def deploy(call: Call) -> Response:
    """One request. The same one again, from a client that got no answer in time, is not a second revision."""
    refuse_unknown(call.request.query_params.keys(), ())
    body, services, principal = await content(call.request), call.services, call.principal
    if not body.strip():
        raise Refusal("bad-body", "the body is empty", "send the workload as a JSON object with app_name, app_version, name and payload")
    key = digest(principal.name, "POST", "deploy", body)
    async with services.repeats.one_at_a_time:
        before = services.repeats.find(key)
        if before is None or not await call.box.ask(_is_newest, *before):
            deployed = await services.deploy(principal.actor, body)
            before = deployed.names[0], await call.box.ask(_newest, deployed.names[0])
            services.repeats.remember(key, *before)
    return answer(await call.box.ask(_document, before[0]), 201)


def _newest(ctx: Context, name: str) -> int:
    """The number of its newest revision; 0 when it is gone already."""
    existing = ctx.ledger.existing([name]).get(name)
    newest = existing and (existing.staged or existing.running)
    return newest.number if newest else 0


def _is_newest(ctx: Context, name: str, number: int) -> bool:
    return _newest(ctx, name) == number


async def logs(call: Call) -> Response:
    """The newest lines of each container, from the agent."""
    query = call.request.query_params
    refuse_unknown(query.keys(), ("tail_lines", "since_time"))
    since = single(query, "since_time")
    tail = number(query, "tail_lines", TAIL_LINES, MOST_LINES)
    arguments = {"name": call.name, "tail": tail, "since": _time(since) if since else None}
    await call.box.ask(lambda ctx: ctx.ledger.workload(call.name))
    return answer(await asked(call.box, "logs", arguments))


def _time(text: str) -> str:
    try:
        return timestamps.normalized(text)
    except (ValueError, OverflowError):
        raise Refusal("bad-query", f"since_time is {text[:60]!r}; accepted is RFC 3339, such as 2026-11-23T02:00:00Z") from None


async def configuration(call: Call) -> Response:
    """That of the app: `defaults.configuration` in an app.yaml of today, `app.TYPE.configuration` in older ones. Without its secrets."""
    refuse_unknown(call.request.query_params.keys(), ())
    payload = (await call.box.ask(_document, call.name))["payload"]
    return answer({"configuration": _configuration(payload)})


def _configuration(payload: Mapping[str, Any]) -> Any:
    app, defaults = payload.get("app"), payload.get("defaults")
    if isinstance(app, Mapping) and isinstance(block := app.get(str(app.get("type"))), Mapping):
        return block.get("configuration") or {}
    return (defaults.get("configuration") if isinstance(defaults, Mapping) else None) or {}


async def download(call: Call) -> Response:
    """412 says that the package cannot be built; an unknown name is 404 all the same."""
    await call.box.ask(lambda ctx: ctx.ledger.workload(call.name))
    raise Refusal("not-available", "this version does not build packages for an offline installation")
