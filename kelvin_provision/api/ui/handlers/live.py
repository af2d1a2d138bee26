"""Open pages are told that something has changed, and ask for themselves again: what a page shows has one source."""

from __future__ import annotations

from starlette.responses import Response

from kelvin_provision.api.routes.events import streamed
from kelvin_provision.api.services import Call
from kelvin_provision.api.ui.cookies import session_text
from kelvin_provision.api.work.feed import framed

CHANGED = framed("changed", b"{}")


async def events(call: Call) -> Response:
    """`changed` at the start, as the page may be old already, and after each change."""
    feed = call.services.feed
    reader = await feed.open(call.principal.name, frozenset(), "")
    text, sessions = session_text(call.request), call.services.sessions

    def may_listen() -> bool:
        return sessions.principal(text, call.address, touch=False) is not None

    return streamed(feed, reader, may_listen, lambda part: part if part.startswith(b":") else CHANGED)
