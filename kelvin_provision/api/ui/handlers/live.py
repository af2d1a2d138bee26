"""Open pages are told that something has changed, and ask for themselves again: what a page shows has one source."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from starlette.responses import Response

from kelvin_provision.api.messages.streams import Streamed
from kelvin_provision.api.routes.events import MEDIA_TYPE
from kelvin_provision.api.services import Call
from kelvin_provision.api.ui.cookies import session_text
from kelvin_provision.api.work.feed import RETRY, Reader, framed

CHANGED = framed("changed", b"{}")


async def events(call: Call) -> Response:
    """`changed` at the start, as the page may be old already, and after each change."""
    feed = call.services.feed
    reader = await feed.open(call.principal.name, frozenset(), "")
    return Streamed(_parts(call, reader), MEDIA_TYPE, {"x-accel-buffering": "no"}, closed=lambda: feed.leave(reader))


async def _parts(call: Call, reader: Reader) -> AsyncGenerator[bytes, None]:
    yield b"retry: %d\n\n" % RETRY
    text, sessions = session_text(call.request), call.services.sessions
    while part := await call.services.feed.part(reader):
        if sessions.principal(text, call.address, touch=False) is None:
            return
        yield part if part.startswith(b":") else CHANGED
