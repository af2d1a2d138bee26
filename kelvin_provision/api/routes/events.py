"""What happens to workloads, as it happens: Server-Sent Events."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from starlette.responses import Response

from kelvin_provision.access.levels import Level
from kelvin_provision.api.messages.parameters import many, refuse_unknown
from kelvin_provision.api.messages.refusals import Refusal
from kelvin_provision.api.messages.streams import Streamed
from kelvin_provision.api.services import Call
from kelvin_provision.api.work.feed import RETRY, Reader

MEDIA_TYPE = "text/event-stream"


async def events(call: Call) -> Response:
    """The whole list first, or what has changed since `Last-Event-ID`; then each change."""
    query = call.request.query_params
    refuse_unknown(query.keys(), ("workload_name",))
    names = frozenset(many(query, "workload_name"))
    feed = call.services.feed
    reader = await feed.open(call.principal.name, names, call.request.headers.get("last-event-id", ""))
    return Streamed(_parts(call, reader), MEDIA_TYPE, {"x-accel-buffering": "no"}, closed=lambda: feed.leave(reader))


async def _parts(call: Call, reader: Reader) -> AsyncGenerator[bytes, None]:
    yield b"retry: %d\n\n" % RETRY
    while part := await call.services.feed.part(reader):
        if not _may_listen(call):
            return
        yield part


def _may_listen(call: Call) -> bool:
    """Asked before each part: a stream outlives a login."""
    try:
        call.services.authenticator.principal(call.request.headers.get("authorization"), call.address).require(Level.READ)
    except Refusal:
        return False
    return True
