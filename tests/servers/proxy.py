"""A registry on a bad day: a threaded HTTP proxy with faults as data, that counts what goes over the wire.

`Faults` says what goes wrong from now on; `Proxy.faults` may be exchanged at any time. Every request is remembered with its headers.
"""

import contextlib
import http.client
import re
import socket
import struct
import threading
import time
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler

from tests.servers.threaded import Server, serving

CHUNK = 1 << 16
HOP = {"connection", "transfer-encoding", "keep-alive"}


@dataclass(frozen=True)
class Faults:
    """What goes wrong with requests whose path matches `path`. Numbers of times count down; None is for ever."""

    path: str = "/blobs/"
    cut: int | None = None
    """The connection ends after so many bytes of a body."""
    cuts: int | None = None
    reset: bool = False
    """It ends with a reset in place of an orderly end."""
    status: int | None = None
    """Answered in place of asking the registry."""
    statuses: int | None = None
    answer: dict[str, str] = field(default_factory=dict)
    """Headers that every answer gets; an empty value takes one away."""
    ask: dict[str, str] = field(default_factory=dict)
    """The same for what the registry gets to see: `{"Range": ""}` makes a registry that knows no ranges."""
    pace: float = 0.0
    """Seconds of pause after every 64 KiB of a body."""
    redirect: str = ""
    """Send on to this base URL with a secret in the query."""
    bearer: str = ""
    """The only token that is let through (no `Bearer `); without it 401 (or `expired`) and a challenge."""
    realm: str = ""
    expired: int = 401
    challenge: bool = True
    """Whether an expired token's answer repeats the challenge."""


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    query: str = ""


class Proxy:
    """In front of `upstream` (`127.0.0.1:PORT`). `sent` counts bytes of bodies of GETs that match `Faults.path`."""

    def __init__(self, upstream: str, faults: Faults = Faults(), *, tls: tuple[str, str] | None = None) -> None:
        self.upstream = upstream
        self.faults = faults
        self.asked: list[Asked] = []
        self.sent = 0
        self._lock = threading.Lock()
        self._server = Server(_handler_for(self), tls)
        self._serving = serving(self._server)
        self.host, self.url = self._server.host, self._server.url

    def __enter__(self):
        self._serving.__enter__()
        return self

    def __exit__(self, *error):
        self._serving.__exit__(*error)

    def times(self, name: str) -> bool:
        """Whether a fault happens this time; counts it down."""
        with self._lock:
            left = getattr(self.faults, name)
            if left:
                self.faults = replace(self.faults, **{name: left - 1})
            return left is None or left > 0

    def count(self, size: int) -> None:
        with self._lock:
            self.sent += size


def _handler_for(proxy: Proxy):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *words):
            pass

        def do_GET(self):
            path, _, query = self.path.partition("?")
            proxy.asked.append(Asked(self.command, path, {key.title(): value for key, value in self.headers.items()}, query))
            faults = proxy.faults if re.search(proxy.faults.path, path) else Faults()
            if not self._stopped(faults):
                self._relay(faults)

        def _stopped(self, faults: Faults) -> bool:
            """Answered without the registry."""
            if faults.bearer and self.headers.get("Authorization") != f"Bearer {faults.bearer}":
                known = "Authorization" in self.headers
                words = f'Bearer realm="{faults.realm}",service="tests",scope="repository:x:pull"'
                told = {"WWW-Authenticate": words} if faults.challenge or not known else {}
                self._say(faults.expired if known else 401, told)
            elif faults.redirect and proxy.times("statuses"):
                self._say(faults.status or 307, {"Location": f"{faults.redirect}{self.path}?X-Signature=query-secret"})
            elif faults.status and not faults.redirect and proxy.times("statuses"):
                self._say(faults.status, faults.answer)
            else:
                return False
            return True

        def _say(self, status: int, headers: dict[str, str]) -> None:
            self.send_response(status)
            for key, value in {**headers, "Content-Length": "2"}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(b"{}")

        def _relay(self, faults: Faults) -> None:
            upstream = http.client.HTTPConnection(proxy.upstream, timeout=30)
            with contextlib.closing(upstream):
                upstream.request("GET", self.path, headers=_changed(self.headers.items(), faults.ask))
                answer = upstream.getresponse()
                self.send_response(answer.status)
                for key, value in _changed(answer.getheaders(), faults.answer).items():
                    self.send_header(key, value)
                if answer.length is None:
                    self.send_header("Connection", "close")
                    self.close_connection = True
                self.end_headers()
                self._body(answer, faults)

        def _body(self, answer, faults: Faults) -> None:
            left = faults.cut if faults.cut is not None and proxy.times("cuts") else None
            while data := answer.read(CHUNK if left is None else min(CHUNK, left)):
                proxy.count(len(data) if re.search(proxy.faults.path, self.path) else 0)
                self.wfile.write(data)
                left = None if left is None else left - len(data)
                time.sleep(faults.pace)
                if left == 0:
                    break
            if left == 0 and not answer.isclosed():
                self._hang_up(faults.reset)

        def _hang_up(self, reset: bool) -> None:
            self.close_connection = True
            self.wfile.flush()
            if reset:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
            else:
                self.connection.shutdown(socket.SHUT_RDWR)

    return Handler


def _changed(headers, change: dict[str, str]) -> dict[str, str]:
    """Without what concerns one connection only, and with our words in place of theirs."""
    mine = {key.lower() for key in change}
    kept = {key: value for key, value in headers if key.lower() not in HOP | mine}
    return kept | {key: value for key, value in change.items() if value}
