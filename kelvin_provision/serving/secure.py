"""TLS between a socket and a protocol, with the deadlines and limits that connections without TLS have.

asyncio's own TLS shows a connection only when its handshake is done, so that silent ones count for nothing until then, and what it says
of unsent bytes leaves out those of the socket. Here a connection is in the table from its first moment, and everything that is said of
buffers is that of the socket.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from kelvin_provision.serving.bounds import HEAD, PIECE
from kelvin_provision.serving.connections import Connections

_HANDSHAKE = b"\x16"
"""The first byte of every TLS connection."""


class SecureProtocol(asyncio.Protocol):
    """One connection. After its handshake, `protocol` makes what it carries; before, it gives way to others as an idle one does.

    `plain` is what a client gets that speaks something else, most likely HTTP.
    """

    is_idle, is_receiving = True, False

    def __init__(
        self,
        context: ssl.SSLContext,
        protocol: Callable[[], asyncio.Protocol],
        table: Connections,
        *,
        plain: bytes = b"",
        handshake: float = HEAD,
    ) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._context, self._make, self._table, self._plain, self._handshake = context, protocol, table, plain, handshake
        self._inner: asyncio.Protocol | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._begun = False
        self.address = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  (of a socket)
        self._socket = transport
        transport.max_size = PIECE  # type: ignore[attr-defined]  # of a read, as without TLS
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if peer else ""
        if not self._table.admit(self):
            self.drop()
            return
        self._deadline = asyncio.get_running_loop().call_later(self._handshake, self.drop)

    def drop(self) -> None:
        """Close at once, and drop what is left to write."""
        self._socket.abort()

    def data_received(self, data: bytes) -> None:
        if not self._begun and data[:1] != _HANDSHAKE:
            self._socket.write(self._plain)
            self._socket.close()
            return
        self._begun = True
        self._incoming.write(data)
        try:
            if self._inner is None:
                self._shake_hands()
            if self._inner is not None:
                self._read()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            self._end()
        finally:
            self.flush()

    def _shake_hands(self) -> None:
        """Raises SSLWantReadError until it is done."""
        self._tls.do_handshake()
        self._settle()
        self._inner = self._make()
        self._inner.connection_made(SecureTransport(self, self._socket, self._context, self._tls))

    def _read(self) -> None:
        """All that can be decrypted, in one piece. Raises SSLWantReadError only if there is nothing."""
        parts: list[bytes] = []
        try:
            while part := self._tls.read(PIECE):
                parts.append(part)
        finally:
            if parts and self._inner is not None:
                self._inner.data_received(b"".join(parts))
        self.eof_received()  # the client has closed its side in good order
        self._end()

    def write(self, data: bytes | bytearray | memoryview[int]) -> None:
        """Encrypted at once; what the kernel does not take waits in the buffer of the socket."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._tls.write(rest) :]
        except ssl.SSLError:
            self.drop()
        self.flush()

    def flush(self) -> None:
        if (data := self._outgoing.read()) and not self._socket.is_closing():
            self._socket.write(data)

    def close(self) -> None:
        """Say so to the client without waiting for its answer, and close when everything is written."""
        with suppress(ssl.SSLError):  # it wants to read that answer
            self._tls.unwrap()
        self._end()

    def eof_received(self) -> None:
        if self._inner is not None:
            self._inner.eof_received()

    def pause_writing(self) -> None:
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._inner is not None:
            self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._inner is None:
            self._settle()
        else:
            self._inner.connection_lost(exc)

    def _end(self) -> None:
        self.flush()
        self._socket.close()

    def _settle(self) -> None:
        """No longer a connection in its handshake."""
        self._table.remove(self)
        if self._deadline is not None:
            self._deadline.cancel()


class SecureTransport(asyncio.Transport):
    """What the protocol inside writes to: as the one of the socket, but for the bytes."""

    def __init__(self, protocol: SecureProtocol, inner: asyncio.Transport, context: ssl.SSLContext, tls: ssl.SSLObject) -> None:
        super().__init__()
        self._protocol, self._socket, self._closing = protocol, inner, False
        self._extra_info = {"sslcontext": context, "ssl_object": tls}

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._extra_info[name] if name in self._extra_info else self._socket.get_extra_info(name, default)

    def write(self, data: bytes | bytearray | memoryview[int]) -> None:
        if not self.is_closing():
            self._protocol.write(data)

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview[int]]) -> None:
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        if not self.is_closing():
            self._closing = True
            self._protocol.close()

    def is_closing(self) -> bool:
        return self._closing or self._socket.is_closing()

    def abort(self) -> None:
        self._socket.abort()

    def is_reading(self) -> bool:
        return self._socket.is_reading()

    def pause_reading(self) -> None:
        self._socket.pause_reading()

    def resume_reading(self) -> None:
        self._socket.resume_reading()

    def get_write_buffer_size(self) -> int:
        return self._socket.get_write_buffer_size()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._socket.get_write_buffer_limits()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._socket.set_write_buffer_limits(high, low)

    def can_write_eof(self) -> bool:
        return False
