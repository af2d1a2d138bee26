"""The routes `/api/v4/workloads/*` that look, and the deploy."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

from starlette.responses import Response

from kelvin_provision import timestamps
from kelvin_provision.api.messages.body import content, parsed_object
from kelvin_provision.api.messages.documents import HEADERS, answer
from kelvin_provision.api.messages.parameters import flag, number, refuse_unknown, single
from kelvin_provision.api.messages.ranges import SentFile, ranged
from kelvin_provision.api.messages.refusals import Refusal
from kelvin_provision.api.messages.signatures import signatures
from kelvin_provision.api.revisions import revised
from kelvin_provision.api.routes.listing import LEGACY, page
from kelvin_provision.api.services import Call
from kelvin_provision.api.work.asking import asked
from kelvin_provision.api.work.deploying import Head
from kelvin_provision.api.work.packages import AGAIN
from kelvin_provision.context import Context
from kelvin_provision.queries.logs import MOST_LINES
from kelvin_provision.queries.workload import WorkloadRequest, workload
from kelvin_provision.queries.workload import configuration as configuration_of

OCTETS, ZIP = "application/octet-stream", "application/zip"
EXPIRES = 3600
"""Seconds that a client may keep the address of a package: it stays, and what it leads to may be another version then."""
TAIL_LINES = 1000
"""Lines of each container, if the client does not say how many."""


async def listed(call: Call) -> Response:
    return await page(call, LEGACY)


async def get(call: Call) -> Response:
    refuse_unknown(call.request.query_params.keys(), ())
    return answer(await call.box.ask(_document, call.name))


def _document(ctx: Context, name: str) -> dict[str, Any]:
    return workload(ctx, WorkloadRequest(name)).to_json()


async def deploy(call: Call) -> Response:
    """One request. The same one again, from a client that got no answer in time, is not a second revision."""
    refuse_unknown(call.request.query_params.keys(), ())
    body = await content(call.request)
    if not body.strip():
        raise Refusal("bad-body", "the body is empty", "send the workload as a JSON object with app_name, app_version, name and payload")
    (name,) = await revised(call, Head(call.principal.actor, signatures=signatures(call.request)), body)
    return answer(await call.box.ask(_document, name), 201)


async def configure(call: Call) -> Response:
    """A new revision with this configuration, by the method of the workload. The answer has it without its secrets."""
    refuse_unknown(call.request.query_params.keys(), ())
    document = parsed_object(await content(call.request))
    configuration = document.get("configuration")
    if set(document) != {"configuration"} or not isinstance(configuration, dict):
        raise Refusal("bad-body", 'the body is not {"configuration": {...}}', "an empty object removes the whole configuration")
    await call.require_workload()
    await revised(call, Head(call.principal.actor, (call.name,)), json.dumps(configuration).encode())
    return answer({"configuration": await call.box.ask(configuration_of, call.name)})


async def logs(call: Call) -> Response:
    """The newest lines of each container, from the agent. With `previous`, which is our own, those before its last restart."""
    query = call.request.query_params
    refuse_unknown(query.keys(), ("tail_lines", "since_time", "previous"))
    since = single(query, "since_time")
    tail = number(query, "tail_lines", TAIL_LINES, MOST_LINES)
    previous = flag(query, "previous") or False
    arguments = {"name": call.name, "tail": tail, "since": _time(since) if since else None, "previous": previous}
    await call.require_workload()
    return answer(await asked(call.box, "logs", arguments))


def _time(text: str) -> str:
    try:
        return timestamps.normalized(text)
    except (ValueError, OverflowError):
        raise Refusal("bad-query", f"since_time is {text[:60]!r}; accepted is RFC 3339, such as 2026-11-23T02:00:00Z") from None


async def configuration(call: Call) -> Response:
    """That of the newest version, without its secrets."""
    refuse_unknown(call.request.query_params.keys(), ())
    return answer({"configuration": await call.box.ask(configuration_of, call.name)})


async def download(call: Call) -> Response:
    """The package, or a range of it; 202 while it is made. With `address`, where it is: here, with the same token."""
    query = call.request.query_params
    refuse_unknown(query.keys(), ("address",))
    return await packaged(call, address=flag(query, "address") or False)


async def packaged(call: Call, *, running: bool = False, address: bool = False) -> Response:
    """The older clients of the platform take no other media type than this one, where they do not ask for another."""
    prepared = await call.services.packages.prepared(call.name, running=running)
    if prepared is None:
        return Response(status_code=202, headers={**HEADERS, "retry-after": str(AGAIN)})
    if address:
        return answer({"url": f"{call.base}{call.request.scope['path']}", "expires_in": EXPIRES})
    accepted = call.request.headers.get("accept", "")
    tag = prepared.digest.partition(":")[2]
    media_type = ZIP if ZIP in accepted else OCTETS

    def body(start: int, end: int) -> AsyncGenerator[bytes, None]:
        return call.services.packages.blocks(prepared, start, end)

    return ranged(call.request.headers, SentFile(prepared.name, media_type, prepared.total, tag, body))
