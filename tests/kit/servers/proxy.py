"""A registry on a bad day: a threaded HTTP proxy with faults as data, that counts what goes over the wire.

`Faults` says what goes wrong from now on; `Proxy.faults` may be exchanged at any time. Every request is remembered with its headers.
"""

import contextlib
import fcntl
import gzip
import http.client
import io
import re
import select
import socket
import struct
import sys
import termios
import threading
import time
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from tests.kit.servers.threaded import Server, serving
from tests.kit.waiting import PATIENCE

CHUNK = 1 << 16
DRIP = 0.1
"""Seconds after each byte of headers that drip."""
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
    stall: int | None = None
    """After so many bytes of a body nothing comes any more; the connection stays open."""
    stalls: int | None = None
    head: str = ""
    """The line and headers of an answer come `slow`ly, line by line; `drip` byte by byte; end with a `reset` half-way; or `never` come."""
    heads: int | None = None
    flip: int | None = None
    """This byte of a body is another one."""
    flips: int | None = None
    body: bytes | None = None
    """In place of the registry's, with a length that is right for it."""
    coding: str = ""
    """`chunked`: no length is said. `gzip`: compressed, and said so."""
    status: int | None = None
    """Answered in place of asking the registry."""
    statuses: int | None = None
    answer: dict[str, str] = field(default_factory=dict)
    """Headers that every answer gets; an empty value takes one away."""
    ask: dict[str, str] = field(default_factory=dict)
    """The same for what the registry gets to see: `{"Range": ""}` makes a registry that knows no ranges."""
    most: int | None = None
    """Of a range only so many bytes are given, and said so."""
    pace: float = 0.0
    """Seconds of pause after every 64 KiB of a body, once they were read: what waits in a kernel was sent, and is lost with its reader."""
    drip: float = 0.0
    """Seconds after each byte of a body."""
    rate: float = 0.0
    """Bytes of bodies a second, over all connections together; read as with `pace`."""
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
    """In front of `upstream` (`127.0.0.1:PORT`). `total` counts bytes of bodies of GETs, `sent` those that match `Faults.path`."""

    def __init__(self, upstream: str, faults: Faults = Faults(), *, tls: tuple[str, str] | None = None) -> None:
        self.upstream = upstream
        self.faults = faults
        self.asked: list[Asked] = []
        self.sent = self.total = 0
        self._free = 0.0
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

    def pass_on(self, path: str, size: int) -> None:
        """Count, and wait until the line is free for so many bytes."""
        with self._lock:
            self.total += size
            self.sent += size if re.search(self.faults.path, path) else 0
            now, rate = time.monotonic(), self.faults.rate
            self._free = max(now, self._free) + size / rate if rate else now
            wait = self._free - now
        time.sleep(wait)


def _handler_for(proxy: Proxy):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        faults = Faults()

        def log_message(self, *words):
            pass

        def do_GET(self):
            path, _, query = self.path.partition("?")
            proxy.asked.append(Asked(self.command, path, {key.title(): value for key, value in self.headers.items()}, query))
            self.faults = proxy.faults if re.search(proxy.faults.path, path) else Faults()
            if not self._stopped(self.faults):
                self._relay(self.faults)

        def do_HEAD(self):
            """Always as the registry has it: faults are for those who want bytes."""
            with contextlib.closing(http.client.HTTPConnection(proxy.upstream, timeout=PATIENCE)) as upstream:
                upstream.request("HEAD", self.path, headers=_changed(self.headers.items(), {}))
                answer = upstream.getresponse()
                self.send_response(answer.status)
                for key, value in _changed(answer.getheaders(), {}).items():
                    self.send_header(key, value)
                self.end_headers()

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
                self._say(faults.status, faults.answer, faults.body)
            else:
                return False
            return True

        def _say(self, status: int, headers: dict[str, str], body: bytes | None = None) -> None:
            body = b"{}" if body is None else body
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(key, value)
            self.end_headers()
            proxy.pass_on(self.path, len(body))
            self.wfile.write(body)

        def _relay(self, faults: Faults) -> None:
            upstream = http.client.HTTPConnection(proxy.upstream, timeout=PATIENCE)
            with contextlib.closing(upstream):
                upstream.request("GET", self.path, headers=_changed(self.headers.items(), self._shorter(faults) | faults.ask))
                answer = upstream.getresponse()
                body, said = _recoded(answer, faults)
                self.send_response(answer.status)
                for key, value in _changed(answer.getheaders(), said | faults.answer).items():
                    self.send_header(key, value)
                if answer.length is None:
                    self.send_header("Connection", "close")
                    self.close_connection = True
                self.end_headers()
                self._body(body, faults)

        def _shorter(self, faults: Faults) -> dict[str, str]:
            wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            if faults.most is None or wanted is None:
                return {}
            return {"Range": f"bytes={wanted[1]}-{min(int(wanted[2]), int(wanted[1]) + faults.most - 1)}"}

        def flush_headers(self):
            """Everything up to the body goes through here."""
            head, self._headers_buffer = b"".join(self._headers_buffer), []
            how = self.faults.head if self.faults.head and proxy.times("heads") else ""
            if how == "never":
                self._fall_silent()
            if how == "reset":
                self.wfile.write(head[: len(head) // 2])
                self._hang_up(reset=True)
            if how == "drip":
                self._drip(head, DRIP)
                return
            for line in head.splitlines(keepends=True) if how else [head]:
                self.wfile.write(line)
                time.sleep(0.02 if how else 0.0)

        def _drip(self, data: bytes, pause: float) -> None:
            """Byte by byte, until the other side has had enough."""
            for at in range(len(data)):
                self.wfile.write(data[at : at + 1])
                if select.select([self.connection], [], [], pause)[0]:
                    self._hang_up(reset=False)

        def _body(self, body, faults: Faults) -> None:
            ends = {
                name: getattr(faults, name) for name in ("cut", "stall") if getattr(faults, name) is not None and proxy.times(f"{name}s")
            }
            left = min(ends.values(), default=None)
            flip = faults.flip if faults.flip is not None and proxy.times("flips") else None
            done = 0
            while data := body.read(CHUNK if left is None else min(CHUNK, left - done)):
                if flip is not None and done <= flip < done + len(data):
                    data = data[: flip - done] + bytes([data[flip - done] ^ 1]) + data[flip - done + 1 :]
                if faults.drip:
                    proxy.pass_on(self.path, 1)
                    self._drip(data, faults.drip)
                    continue
                proxy.pass_on(self.path, len(data))
                self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data) if faults.coding == "chunked" else data)
                done += len(data)
                if faults.pace or faults.rate:
                    _wait_until_read(self.connection)
                time.sleep(faults.pace)
                if done == left:
                    break
            if done == left and body.peek(1):
                self._fall_silent() if "stall" in ends else self._hang_up(reset=faults.reset)
            elif faults.coding == "chunked":
                self.wfile.write(b"0\r\n\r\n")

        def _fall_silent(self) -> None:
            """Until the other side has had enough, or the proxy ends."""
            self.wfile.flush()
            select.select([self.connection], [], [], PATIENCE)
            self._hang_up(reset=False)

        def _hang_up(self, *, reset: bool) -> None:
            """The end of this connection and of its thread."""
            self.close_connection = True
            self.wfile.flush()
            if reset:
                _wait_until_delivered(self.connection)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
            else:
                with contextlib.suppress(OSError):
                    self.connection.shutdown(socket.SHUT_RDWR)
            raise ConnectionAbortedError

    return Handler


def _wait_until_delivered(connection: socket.socket, seconds: float = PATIENCE) -> None:
    """A reset drops what the other side's kernel has not acknowledged: without this, a slow reader loses what counts as sent."""
    deadline, unacknowledged = time.monotonic() + seconds, bytes(4)
    while int.from_bytes(fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, unacknowledged), sys.byteorder):
        if time.monotonic() > deadline:
            return
        time.sleep(0.005)


def _wait_until_read(connection: socket.socket) -> None:
    """Nothing waits in the kernel of either side, or the other side is gone. The kernel's table of connections tells what a program has not read."""
    ours, theirs = (_in_table(*address[:2]) for address in (connection.getsockname(), connection.getpeername()))
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        rows = [line.split() for line in Path("/proc/thread-self/net/tcp").read_text().splitlines()[1:]]
        queues = {(row[1], row[2]): row[4].split(":") for row in rows}
        unsent, unread = (queues.get(pair, ("0", "0"))[side] for pair, side in (((ours, theirs), 0), ((theirs, ours), 1)))
        if int(unsent, 16) == int(unread, 16) == 0:
            return
        time.sleep(0.002)


def _in_table(address: str, port: int) -> str:
    return f"{int.from_bytes(socket.inet_aton(address), sys.byteorder):08X}:{port:04X}"


def _recoded(answer: http.client.HTTPResponse, faults: Faults):
    """The body as it is to go out, and the headers that are true for it."""
    if answer.status >= 300 or (faults.body is None and not faults.coding):
        return io.BufferedReader(answer), {}
    if faults.coding == "chunked":
        body = answer if faults.body is None else io.BytesIO(faults.body)
        return io.BufferedReader(body), {"Content-Length": "", "Transfer-Encoding": "chunked"}
    data = answer.read() if faults.body is None else faults.body
    said = {"Content-Encoding": "gzip"} if faults.coding else {}
    data = gzip.compress(data, mtime=0) if faults.coding else data
    return io.BufferedReader(io.BytesIO(data)), said | {"Content-Length": str(len(data))}


def _changed(headers, change: dict[str, str]) -> dict[str, str]:
    """Without what concerns one connection only, and with our words in place of theirs."""
    mine, kept = {key.lower() for key in change}, {}
    for key, value in headers:
        if key.lower() not in HOP | mine:
            kept[key] = f"{kept[key]}, {value}" if key in kept else value  # what is said in two lines may be said in one
    return kept | {key: value for key, value in change.items() if value}
