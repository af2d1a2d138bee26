"""A small HTTP/1.1 for programs of ours that speak to each other: strict, bounded, and with deadlines.

Heads of at most 8 KiB; bodies with a Content-Length only, and only as long as the handler allows before any of it is read. An answer is a
document, or pieces of a known length that are made when the client has read those before. Anything else is refused and closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Protocol

from kelvin_provision.serving.bounds import BODY, HEAD, STUCK
from kelvin_provision.serving.connections import Connections
from kelvin_provision.serving.messages import Answer, Refused, Request, head_of, length_of, parsed
from kelvin_provision.serving.unread import Unread

LONGEST_HEAD = 8 << 10
KEEP_ALIVE = 90.0
"""Seconds between two requests."""


class Handler(Protocol):
    """What a server does with requests."""

    def longest(self, request: Request) -> int:
        """Bytes that its body may have. Raises Refused, before any of it is read."""
        ...

    def answer(self, request: Request) -> Awaitable[Answer]:
        """Raises Refused."""
        ...


class HttpProtocol(asyncio.Protocol):
    """One connection. Requests are answered one after the other, the next one when the client has read the answer before.

    One whose client has the whole answer still to read gives way to others as an idle one does.
    """

    def __init__(
        self,
        handler: Handler,
        table: Connections,
        *,
        head: float = HEAD,
        body: float = BODY,
        stuck: float = STUCK,
        idle: float = KEEP_ALIVE,
    ) -> None:
        self._handler, self._table = handler, table
        self._limits = {"head": head, "body": body, "idle": idle}
        self._stuck = stuck
        self._data = bytearray()
        self._request: Request | None = None
        self._missing = 0
        self._task: asyncio.Task[None] | None = None
        self._answered = False
        self._timer: asyncio.TimerHandle | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self.address = ""

    @property
    def is_idle(self) -> bool:
        return self._answered or (self._task is None and self._request is None)

    @property
    def is_receiving(self) -> bool:
        return self._request is not None and self._task is None and not self._answered

    def drop(self) -> None:
        """Close at once, and drop what is left to write."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  (of a socket)
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if peer else ""
        tls = transport.get_extra_info("ssl_object")
        self._certificate = tls.getpeercert(binary_form=True) if tls else None
        transport.set_write_buffer_limits(high=0)  # any byte that the kernel does not take pauses writing, and is watched
        self._unread = Unread(transport, self.drop, self._stuck)
        if self._table.admit(self):
            self._expect("head")
        else:
            self._send(Answer(503, headers={"Retry-After": "2"}), closes=True)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  (the protocol's signature)
        self._table.remove(self)
        self._expect(None)
        self.resume_writing()
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()
        self._unread.pause()

    def resume_writing(self) -> None:
        self._unread.resume()
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        if self._transport.is_closing():
            return
        self._data += data
        if self._task is not None:
            if len(self._data) > LONGEST_HEAD:  # no client of ours sends ahead
                self.drop()
            return
        self._advance()

    def eof_received(self) -> None:
        if self._task is None:
            self._transport.close()

    def _advance(self) -> None:
        """Handle what has arrived: a head, and then its body."""
        try:
            if self._request is None and not self._take_head():
                return
            if len(self._data) >= self._missing:
                self._begin()
        except Refused as refused:
            self._send(refused.answer, closes=True)

    def _take_head(self) -> bool:
        end = self._data.find(b"\r\n\r\n")
        if end > LONGEST_HEAD or (end < 0 and len(self._data) > LONGEST_HEAD):
            raise Refused(400, "the head is too long")
        if end < 0:
            if self._data:
                self._expect("head")
            return False
        lines = bytes(self._data[:end]).split(b"\r\n")
        del self._data[: end + 4]
        self._request = request = parsed(lines, self.address, self._certificate)
        self._missing = length_of(request)
        if self._missing > self._handler.longest(request):
            raise Refused(413, "the body is too long")
        self._expect("body")
        return True

    def _begin(self) -> None:
        assert self._request is not None  # noqa: S101  (see `_advance`)
        body = bytes(self._data[: self._missing])
        del self._data[: self._missing]
        request = Request(**{**vars(self._request), "body": body})
        self._expect(None)
        self._task = asyncio.get_running_loop().create_task(self._answer(request))

    async def _answer(self, request: Request) -> None:
        closes, answer = request.headers.get("connection", "").lower() == "close", Answer(500)
        try:
            try:
                answer = await self._handler.answer(request)
            except Refused as refused:
                answer, closes = refused.answer, True
            self._send(answer, closes=closes and answer.pieces is None, bare=request.method == "HEAD")
            if answer.pieces is not None and request.method != "HEAD":
                await self._stream(answer.pieces, answer.size)
                if closes:
                    self._transport.close()
            self._answered = True
            await self._writable.wait()
        except asyncio.CancelledError:
            raise
        except Exception:
            self.drop()
            raise
        finally:
            answer.close()
            self._task, self._request, self._missing, self._answered = None, None, 0, False
        if not self._transport.is_closing():
            self._expect("idle")
            self._advance()

    async def _stream(self, pieces: AsyncIterator[bytes], size: int) -> None:
        sent = 0
        async for piece in pieces:
            await self._writable.wait()
            if self._transport.is_closing():
                return
            self._transport.write(piece)
            sent += len(piece)
        if sent != size:
            self.drop()
            return
        await self._writable.wait()

    def _send(self, answer: Answer, *, closes: bool = False, bare: bool = False) -> None:
        self._transport.write(head_of(answer, closes=closes) + (b"" if bare else answer.body))
        if closes:
            self._transport.close()

    def _expect(self, what: str | None) -> None:
        """One deadline at a time: for the next head, for a body, for the next request; none while an answer is made."""
        running = self._timer
        if what == "head" and running is not None and self._waits_for == "head":
            return  # it counts from its first byte, however slowly it comes
        if running is not None:
            running.cancel()
        self._waits_for = what
        self._timer = asyncio.get_running_loop().call_later(self._limits[what], self.drop) if what else None

    _waits_for: str | None = None
