"""A server of `http` in a thread of its own: for a process that does something else."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from types import MappingProxyType

from kelvin_provision.serving.addresses import BACKLOG, Listener
from kelvin_provision.serving.bounds import HEAD
from kelvin_provision.serving.connections import Connections
from kelvin_provision.serving.http import Handler, HttpProtocol
from kelvin_provision.serving.secure import SecureProtocol
from kelvin_provision.serving.shortage import Shortage


class ServerThread:
    """Serves from `start` to `close`. `context` is asked at each connection, so that a new certificate needs no restart.

    `beside` are coroutine functions that run as long as it does.
    """

    def __init__(
        self,
        listeners: Sequence[Listener],
        context: Callable[[], ssl.SSLContext],
        handler: Handler,
        *,
        connections: int,
        beside: Sequence[Callable[[], Coroutine[None, None, None]]] = (),
        limits: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        self._listeners, self._context, self._handler, self._beside, self._limits = listeners, context, handler, beside, limits
        self._table = Connections(connections)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="nodes", daemon=True)

    @property
    def urls(self) -> tuple[str, ...]:
        return tuple(listener.url for listener in self._listeners)

    def start(self) -> None:
        self._thread.start()
        self._ready.wait()

    def close(self) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._ended.set)
            self._thread.join()
        for listener in self._listeners:
            listener.socket.close()

    async def _run(self) -> None:
        self._loop = loop = asyncio.get_running_loop()
        loop.set_exception_handler(Shortage())
        servers = [await loop.create_server(self._connection, sock=each.socket, backlog=BACKLOG) for each in self._listeners]
        tasks = [loop.create_task(each()) for each in self._beside]
        self._ready.set()
        try:
            await self._ended.wait()
        finally:
            for server in servers:
                server.close()
            for connection in list(self._table):
                connection.drop()
            for task in tasks:
                task.cancel()

    def _connection(self) -> asyncio.Protocol:
        return SecureProtocol(self._context(), self._inner, self._table, handshake=self._limits.get("head", HEAD))

    def _inner(self) -> asyncio.Protocol:
        return HttpProtocol(self._handler, self._table, **self._limits)
