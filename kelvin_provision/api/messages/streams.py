"""Answers whose body comes in parts, for as long as the client listens."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from kelvin_provision.api.messages.documents import HEADERS, encoded, failed
from kelvin_provision.errors import ProvisionError

LOG = logging.getLogger("kelvin_provision.api")


def _nothing() -> None:
    pass


class Streamed(Response):
    """`closed` is called when the body has ended or the client has gone, whichever comes first; `parts` is closed then.

    An error of `parts` comes too late for a status: the connection is cut off, so that the client sees that the body is not whole.
    """

    def __init__(
        self,
        parts: AsyncGenerator[bytes, None],
        media_type: str,
        headers: Mapping[str, str] | None = None,
        *,
        status: int = 200,
        closed: Callable[[], None] = _nothing,
    ) -> None:
        """Without a length of its own among `headers`, the body ends where it ends."""
        super().__init__(None, status, {**HEADERS, **(headers or {})}, media_type)
        if "content-length" not in (headers or {}):
            del self.headers["content-length"]
        self._parts = parts
        self._closed = closed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sending, gone = asyncio.ensure_future(self._send(scope, send)), asyncio.ensure_future(_gone(receive))
        try:
            await asyncio.wait((sending, gone), return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        except ProvisionError as error:
            LOG.error("an answer was cut off: %s", error)  # noqa: TRY400  (it is no fault of the program)
        finally:
            for task in (sending, gone):
                task.cancel()
            await asyncio.gather(sending, gone, return_exceptions=True)
            self._closed()
            await self._parts.aclose()

    async def _send(self, scope: Scope, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if scope["method"] != "HEAD":
            async for part in self._parts:
                await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


JSON_STREAM = "application/x-json-stream"


async def lines_of(lines: AsyncGenerator[dict[str, Any], None]) -> Streamed:
    """A document on each line, as they come. An error in the first one has a status; a later one is the last line. Raises it."""
    first = await anext(lines)
    return Streamed(_encoded(first, lines), JSON_STREAM)


async def _encoded(first: dict[str, Any], lines: AsyncGenerator[dict[str, Any], None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(lines):
        yield encoded(first) + b"\n"
        try:
            async for line in lines:
                yield encoded(line) + b"\n"
        except ProvisionError as error:
            yield bytes(failed(error, ()).body) + b"\n"


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
