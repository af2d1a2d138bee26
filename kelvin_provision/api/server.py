"""The server: uvicorn with our protocol, on sockets that are open already."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from uvicorn import Config, Server

from kelvin_provision.access.sessions import EndedSessions
from kelvin_provision.access.tokens import load_key
from kelvin_provision.access.users import Users
from kelvin_provision.api.application import Application
from kelvin_provision.api.authentication.authenticator import Authenticator
from kelvin_provision.api.network.connections import Connections
from kelvin_provision.api.network.hosts import Hosts
from kelvin_provision.api.network.protocol import serving
from kelvin_provision.api.services import Services
from kelvin_provision.api.work.box import Box
from kelvin_provision.api.work.deploying import Deploy
from kelvin_provision.context import Wiring
from kelvin_provision.settings.model import Settings


@contextmanager
def services(settings: Settings, wiring: Wiring, deploy: Deploy, users: Users | None = None) -> Iterator[Services]:
    """What handlers work with, closed after the block."""
    users = users or Users(settings.state_dir, wiring.clock)
    with Box(settings, wiring) as box:
        authenticator = Authenticator(users, load_key(settings.state_dir), EndedSessions(settings.state_dir), settings.api)
        try:
            yield Services(settings.api, box, authenticator, deploy, Hosts(settings.api.names))
        finally:
            authenticator.close()


class _Server(Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End at a signal, and with 0: uvicorn would raise it once more when everything is closed."""
        numbers = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
        before = {number: signal.signal(number, self.handle_exit) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def server(served: Services, **limits: Any) -> Server:
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
    return _Server(config)


def run(made: Server, sockets: Sequence[socket.socket], started: Callable[[], None]) -> None:
    """Until a signal, or until `should_exit` is set."""
    asyncio.run(_run(made, sockets, started))


async def _run(made: Server, sockets: Sequence[socket.socket], started: Callable[[], None]) -> None:
    started()
    await made.serve(sockets=list(sockets))
