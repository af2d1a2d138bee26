"""What happens to workloads, as it happens: Server-Sent Events."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable

from starlette.responses import Response

from kelvin_provision.access.levels import Level
from kelvin_provision.api.messages.parameters import many, refuse_unknown
from kelvin_provision.api.messages.refusals import Refusal
from kelvin_provision.api.messages.streams import Streamed
from kelvin_provision.api.services import Call
from kelvin_provision.api.work.feed import RETRY, Feed, Reader

MEDIA_TYPE = "text/event-stream"


async def events(call: Call) -> Response:
    """The whole list first, or what has changed since `Last-Event-ID`; then each change."""
    query = call.request.query_params
    refuse_unknown(query.keys(), ("workload_name",))
    names = frozenset(many(query, "workload_name"))
    feed = call.services.feed
    reader = await feed.open(call.principal.name, names, call.request.headers.get("last-event-id", ""))
    return streamed(feed, reader, lambda: _may_listen(call))


def streamed(feed: Feed, reader: Reader, may_listen: Callable[[], bool], first: bytes = b"") -> Response:
    """What the reader gets, after `first`. `may_listen` is asked before each part: a stream outlives a login."""

    async def parts() -> AsyncGenerator[bytes, None]:
        yield b"retry: %d\n\n" % RETRY + first
        while part := await feed.part(reader):
            if not may_listen():
                return
            yield part

    return Streamed(parts(), MEDIA_TYPE, {"x-accel-buffering": "no"}, closed=lambda: feed.leave(reader))


def _may_listen(call: Call) -> bool:
    try:
        call.services.authenticator.principal(call.request.headers.get("authorization"), call.address).require(Level.READ)
    except Refusal:
        return False
    return True
