"""Open pages are told that something has changed, and ask for themselves again: what a page shows has one source."""

from __future__ import annotations

from starlette.responses import Response

from kelvin_provision.api.messages.documents import encoded
from kelvin_provision.api.routes.events import streamed
from kelvin_provision.api.services import Call
from kelvin_provision.api.ui.cookies import session_text
from kelvin_provision.api.ui.rendering import version_text
from kelvin_provision.api.work.events import framed


async def events(call: Call) -> Response:
    """`changed` after each change, and at the start: with the version of what there is, as the page may be older."""
    feed = call.services.feed
    reader = await feed.open(call.principal.name, frozenset(), "", page=True)
    text, sessions = session_text(call.request), call.services.sessions
    first = framed("changed", encoded({"version": version_text(feed.version)}))

    def may_listen() -> bool:
        return sessions.principal(text, call.address, touch=False) is not None

    return streamed(feed, reader, may_listen, first)
