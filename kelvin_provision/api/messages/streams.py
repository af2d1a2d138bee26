"""Answers whose body comes in parts, for as long as the client listens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from kelvin_provision.api.messages.documents import HEADERS


class Streamed(Response):
    """`closed` is called when the body has ended or the client has gone, whichever comes first; `parts` is closed then."""

    def __init__(
        self, parts: AsyncIterator[bytes], media_type: str, closed: Callable[[], None], headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(None, 200, {**HEADERS, **(headers or {})}, media_type)
        del self.headers["content-length"]
        self._parts = parts
        self._closed = closed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sending, gone = asyncio.ensure_future(self._send(scope, send)), asyncio.ensure_future(_gone(receive))
        try:
            await asyncio.wait((sending, gone), return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            for task in (sending, gone):
                task.cancel()
            await asyncio.gather(sending, gone, return_exceptions=True)
            self._closed()

    async def _send(self, scope: Scope, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if scope["method"] != "HEAD":
            async for part in self._parts:
                await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
