"""uvicorn's HTTP/1.1 with deadlines: uvicorn itself waits for ever for a request that was begun (measured with 0.54).

A head must be here within `HEAD` seconds and a body within `BODY`, counted from their first byte or from the connection, however slowly
they trickle. A client that reads less than `PIECE` of an answer within `STUCK` seconds is cut off, also where uvicorn has closed the
connection already: asyncio keeps one open for ever that has bytes left to write.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from kelvin_provision.api.messages.documents import JSON, refused_bytes
from kelvin_provision.api.messages.refusals import KINDS
from kelvin_provision.serving.bounds import BODY, HEAD, PIECE, STUCK
from kelvin_provision.serving.connections import Connections
from kelvin_provision.serving.unread import Unread

PLAIN_HEAD = "HTTP/1.1 {status} Bad Request\r\nContent-Type: {kind}\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n"


class DeadlineProtocol(H11Protocol):
    """One connection. `table` is that of the server; `serving` makes a class with one."""

    table: ClassVar[Connections]
    head: ClassVar[float] = HEAD
    body: ClassVar[float] = BODY
    stuck: ClassVar[float] = STUCK

    _watched: tuple[float, asyncio.TimerHandle] | None = None
    _unread: Unread | None = None

    @property
    def address(self) -> str:
        return str(self.client[0]) if self.client else ""

    @property
    def is_idle(self) -> bool:
        return self.conn.their_state is h11.IDLE and (self.cycle is None or self.cycle.response_complete)

    @property
    def is_receiving(self) -> bool:
        return self.conn.their_state is h11.SEND_BODY

    def drop(self) -> None:
        """At once, with what is left to write."""
        self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type, unused-ignore]
        transport.max_size = PIECE  # type: ignore[attr-defined]  # of a read: chunks of one byte are slow, and others must have their turn
        self.transport.set_write_buffer_limits(high=0)  # any byte that the kernel does not take pauses writing, and is watched
        if self.table.admit(self):
            self._watch()
            return
        self._refuse("too-many-connections", "every connection to the API is in use")

    def connection_lost(self, exc: Exception | None) -> None:
        self.table.remove(self)
        self._watch(closed=True)
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._unread is None:
            self._unread = Unread(self.transport, self.drop, self.stuck)
        self._unread.pause()

    def resume_writing(self) -> None:
        if self._unread is not None:
            self._unread.resume()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        self._refuse("bad-http", msg)

    def _watch(self, *, closed: bool = False) -> None:
        """One timer for what is being received now. The pause between two requests is uvicorn's `timeout_keep_alive`."""
        begun = self.cycle is None or self._has_first_bytes()
        state = self.conn.their_state
        limit = self.head if state is h11.IDLE and begun else self.body if state is h11.SEND_BODY else 0.0
        if closed or self.transport.is_closing():
            limit = 0.0
        if self._watched and self._watched[0] != limit:
            self._watched[1].cancel()
            self._watched = None
        if limit and self._watched is None:
            self._watched = (limit, self.loop.call_later(limit, self.drop))

    def _has_first_bytes(self) -> bool:
        return self.conn.their_state is h11.IDLE and bool(self.conn.trailing_data[0])

    def _refuse(self, name: str, description: str) -> None:
        """An answer without a request, or to one that is none; then the end."""
        kind, body = KINDS[name], refused_bytes(name, KINDS[name], description)
        headers = [("Content-Type", JSON), ("Content-Length", str(len(body))), ("Connection", "close")]
        try:
            for event in (h11.Response(status_code=kind.status, headers=headers), h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        except h11.LocalProtocolError:  # in the middle of another answer
            self.drop()
        self.transport.close()


def plain_answer() -> bytes:
    """For a client that speaks HTTP where TLS is spoken: it typed the wrong scheme."""
    kind = KINDS["bad-http"]
    body = refused_bytes("bad-http", kind, "this port speaks TLS: the address begins with https://")
    return PLAIN_HEAD.format(status=kind.status, kind=JSON, size=len(body)).encode() + body


def serving(table: Connections, **limits: Any) -> type[DeadlineProtocol]:
    """A class whose connections are in this table."""
    return type("ServedProtocol", (DeadlineProtocol,), {"table": table, **limits})
