"""Asking a container how it is. Docker Engine has no http_get or tcp_socket probe, so we ask on its own address.

As the kubelet does: any status from 200 to 399 is well, a redirect is not followed, an https certificate is not judged.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Run = Callable[[list[str], float], int | None]
"""Run a command in the container for at most so many seconds; its exit code, or None when time is up."""


@dataclass(frozen=True)
class Answer:
    """Whether the probe was answered well; if not, why."""

    well: bool
    why: str = ""


def ask(probe: dict[str, Any], address: str, run: Run) -> Answer:
    """Ask once, for at most the probe's own timeout. What goes wrong is an answer, never an error."""
    timeout = max(float(probe["timeout"]), 0.1)
    if probe["kind"] == "exec":
        code = run(list(probe["command"]), timeout)
        return Answer(code == 0, "" if code == 0 else f"{' '.join(probe['command'])}: {_code(code, timeout)}")
    if not address:
        return Answer(well=False, why="the container has no address")
    where = f"{address}:{probe['port']}"
    try:
        if probe["kind"] == "tcp_socket":
            socket.create_connection((address, probe["port"]), timeout).close()
            return Answer(well=True)
        status = _status(probe, address, timeout)
    except (OSError, http.client.HTTPException) as error:
        return Answer(well=False, why=f"{where}: {error or type(error).__name__}")
    well = 200 <= status < 400
    return Answer(well, "" if well else f"{where}{probe['path']}: status {status}")


def _code(code: int | None, timeout: float) -> str:
    return f"no end after {timeout:g} s" if code is None else f"exit code {code}"


def _status(probe: dict[str, Any], address: str, timeout: float) -> int:
    connection: http.client.HTTPConnection
    if probe["scheme"].upper() == "HTTPS":
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(address, probe["port"], timeout=timeout, context=context)
    else:
        connection = http.client.HTTPConnection(address, probe["port"], timeout=timeout)
    try:
        connection.request("GET", probe["path"] or "/", headers=dict(probe["headers"]))
        return connection.getresponse().status
    finally:
        connection.close()


def poll(ended: Callable[[], int | None], timeout: float, *, every: float = 0.05) -> int | None:
    """Ask until there is an exit code or time is up."""
    deadline = time.monotonic() + timeout
    while (code := ended()) is None and time.monotonic() < deadline:
        time.sleep(every)
    return code
