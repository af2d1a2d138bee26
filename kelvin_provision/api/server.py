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
from kelvin_provision.api.authentication.programs import Programs
from kelvin_provision.api.authentication.sessions import Sessions
from kelvin_provision.api.network.credentials import Credentials
from kelvin_provision.api.network.hosts import Hosts
from kelvin_provision.api.network.protocol import plain_answer, serving
from kelvin_provision.api.services import Services
from kelvin_provision.api.work.box import Box
from kelvin_provision.api.work.deploying import Deploy
from kelvin_provision.api.work.feed import Feed
from kelvin_provision.api.work.heartbeat import beat
from kelvin_provision.api.work.packages import Packages
from kelvin_provision.api.work.uploading import Uploading
from kelvin_provision.connections import Wiring
from kelvin_provision.context import Context
from kelvin_provision.serving.addresses import BACKLOG, Listener
from kelvin_provision.serving.connections import Connections
from kelvin_provision.serving.secure import SecureProtocol
from kelvin_provision.serving.shortage import Shortage
from kelvin_provision.settings.model import Settings
from kelvin_provision.usecases import api_tokens, api_users


@contextmanager
def services(settings: Settings, wiring: Wiring, deploy: Deploy, users: Users | None = None) -> Iterator[Services]:
    """What handlers work with, closed after the block."""
    users = users or Users(settings.state_dir, wiring.clock)
    with Box(settings, wiring) as box:
        box.first(settle)
        key, ended = load_key(settings.state_dir), EndedSessions(settings.state_dir)
        programs = Programs(settings.state_dir, box.later)
        audit = Audit(box.record)
        authenticator = Authenticator(users, programs, settings.api, key=key, ended=ended, audit=audit)
        sessions = Sessions(users, audit, settings.api.session, settings.api.session_idle)
        feed, uploading, packages = Feed(box, settings.api.streams), Uploading(box), Packages(box)
        try:
            yield Services(settings.api, box, authenticator, deploy, Hosts(settings.api.names), feed, sessions, uploading, packages)
        finally:
            packages.close()
            uploading.close()
            authenticator.close()
            audit.close()


def settle(ctx: Context) -> None:
    """What a process that was killed has left of a change of users and tokens."""
    api_users.users_of(ctx)
    api_tokens.tokens_of(ctx)


Started = Callable[[Credentials | None], object]
"""Called when it listens and heeds signals, with what it shows itself with."""


class QuietServer(Server):
    """uvicorn, which looks ten times a second whether to end: here it is told so, and wakes once a second for the date in its answers."""

    def __init__(self, config: Config, table: Connections, ending: Callable[[], None] = lambda: None, **limits: Any) -> None:
        super().__init__(config)
        self._ending = ending
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = asyncio.Event()
        self._table = table
        self._limits = limits

    async def listen(self, listeners: Sequence[Listener], credentials: Credentials | None, started: Started) -> None:
        """Serve until it is told to end. `credentials` are there where one of them speaks TLS."""
        self._secure, self._credentials = [listener.socket for listener in listeners if listener.secure], credentials
        self._started = started
        await self.serve([listener.socket for listener in listeners])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Of uvicorn, which has one way for all sockets: with its TLS, or without."""
        await super().startup([opened for opened in sockets or () if opened not in self._secure])
        for opened in self._secure:
            self.servers.append(await asyncio.get_running_loop().create_server(self._secured, sock=opened, backlog=BACKLOG))
        self._started(self._credentials)

    def _secured(self) -> asyncio.Protocol:
        assert self._credentials is not None  # noqa: S101  (see `listen`)
        limits = {"handshake": self._limits["head"]} if "head" in self._limits else {}
        return SecureProtocol(self._credentials.context, self._protocol, self._table, plain=plain_answer(), **limits)

    def _protocol(self) -> asyncio.Protocol:
        make: Callable[..., asyncio.Protocol] = self.config.http_protocol_class
        return make(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for connection in [other for other in self._table if isinstance(other, SecureProtocol)]:
            connection.drop()  # in the middle of its handshake: uvicorn does not know it
        await super().shutdown(sockets)

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
    table = Connections(served.settings.connections)
    config = Config(
        Application(served),
        loop="asyncio",
        http=serving(table, **limits),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=10,
        timeout_graceful_shutdown=5,
    )
    return QuietServer(config, table, served.feed.close, **limits)


def run(made: QuietServer, listeners: Sequence[Listener], started: Started, served: Services | None = None) -> None:
    """Until a signal, or until it is stopped. `served` is needed for TLS, beats for systemd, and tidies uploads.

    Raises what making a certificate raises.
    """
    asyncio.run(_run(made, listeners, started, served))


async def _run(made: QuietServer, listeners: Sequence[Listener], started: Started, served: Services | None) -> None:
    asyncio.get_running_loop().set_exception_handler(Shortage())
    credentials, beside, box = None, [], served.box if served else None
    if served:
        beside += [asyncio.create_task(beat(served.box)), asyncio.create_task(served.uploading.tidy())]
    if box and any(listener.secure for listener in listeners):
        credentials = await Credentials.of(box)
        beside.append(asyncio.create_task(credentials.keep(box)))
    try:
        await made.listen(listeners, credentials, started)
    finally:
        for task in beside:
            task.cancel()
