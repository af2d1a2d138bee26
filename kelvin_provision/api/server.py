"""The server: uvicorn with our protocol, on sockets that are open already."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from uvicorn import Config, Server

from kelvin_provision.access.sessions import EndedSessions
from kelvin_provision.access.tokens import load_key
from kelvin_provision.access.users import Users
from kelvin_provision.api.application import Application
from kelvin_provision.api.authentication.audit import Audit
from kelvin_provision.api.authentication.authenticator import Authenticator
from kelvin_provision.api.network.connections import Connections
from kelvin_provision.api.network.hosts import Hosts
from kelvin_provision.api.network.protocol import serving
from kelvin_provision.api.network.shortage import Shortage
from kelvin_provision.api.services import Services
from kelvin_provision.api.work.box import Box
from kelvin_provision.api.work.deploying import Deploy
from kelvin_provision.api.work.feed import Feed
from kelvin_provision.context import Wiring
from kelvin_provision.settings.model import Settings


@contextmanager
def services(settings: Settings, wiring: Wiring, deploy: Deploy, users: Users | None = None) -> Iterator[Services]:
    """What handlers work with, closed after the block."""
    users = users or Users(settings.state_dir, wiring.clock)
    with Box(settings, wiring) as box:
        key, ended = load_key(settings.state_dir), EndedSessions(settings.state_dir)
        authenticator = Authenticator(users, settings.api, key=key, ended=ended, audit=Audit(box.record))
        try:
            yield Services(settings.api, box, authenticator, deploy, Hosts(settings.api.names), Feed(box, settings.api.streams))
        finally:
            authenticator.close()


class QuietServer(Server):
    """uvicorn, which looks ten times a second whether to end: here it is told so, and wakes once a second for the date in its answers."""

    def __init__(self, config: Config, ending: Callable[[], None]) -> None:
        super().__init__(config)
        self._ending = ending
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = asyncio.Event()

    def stop(self) -> None:
        """End in good order. From any thread."""
        self.should_exit = True
        if self._loop:
            self._loop.call_soon_threadsafe(self._ended.set)

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), 1.0)
        self._ending()  # streams, which would be waited for

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End at a signal, and with 0: uvicorn would raise it once more when everything is closed. A second Ctrl-C waits for no answer."""
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
        for number in numbers:
            loop.add_signal_handler(number, self._signalled, number)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)

    def _signalled(self, number: int) -> None:
        self.handle_exit(number, None)
        self._ended.set()


def server(served: Services, **limits: Any) -> QuietServer:
    """`limits` replace the deadlines of the protocol."""
    config = Config(
        Application(served),
        loop="asyncio",
        http=serving(Connections(served.settings.connections), **limits),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=128,
        timeout_keep_alive=10,
        timeout_graceful_shutdown=5,
    )
    return QuietServer(config, served.feed.close)


def run(made: Server, sockets: Sequence[socket.socket], started: Callable[[], None]) -> None:
    """Until a signal, or until it is stopped."""
    asyncio.run(_run(made, sockets, started))


async def _run(made: Server, sockets: Sequence[socket.socket], started: Callable[[], None]) -> None:
    asyncio.get_running_loop().set_exception_handler(Shortage())
    started()
    await made.serve(sockets=list(sockets))
