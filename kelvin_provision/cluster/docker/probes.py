"""HTTP, TCP and exec probes. Docker Engine has no HTTP and TCP probes, so this program connects to the container's address.

As the kubelet does: a status from 200 to 399 is a success, redirects are not followed, certificates are not verified.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Exec = Callable[[list[str], float], int | None]
"""Runs a command in the container for at most so many seconds; returns its exit code, None at the timeout."""


@dataclass(frozen=True)
class ProbeResult:
    """`why` is empty for a success."""

    success: bool
    why: str = ""


def run_probe(probe: dict[str, Any], address: str, execute: Exec) -> ProbeResult:
    """Run a probe once, for at most its own timeout. A failure is a result, never an exception."""
    timeout = max(float(probe["timeout"]), 0.1)
    if probe["kind"] == "exec":
        code = execute(list(probe["command"]), timeout)
        return ProbeResult(code == 0, "" if code == 0 else f"{' '.join(probe['command'])}: {_exit(code, timeout)}")
    if not address:
        return ProbeResult(success=False, why="the container has no address")
    server = f"{address}:{probe['port']}"
    try:
        if probe["kind"] == "tcp_socket":
            socket.create_connection((address, probe["port"]), timeout).close()
            return ProbeResult(success=True)
        status = _http_status(probe, address, timeout)
    except (OSError, http.client.HTTPException) as error:
        return ProbeResult(success=False, why=f"{server}: {error or type(error).__name__}")
    success = 200 <= status < 400
    return ProbeResult(success, "" if success else f"{server}{probe['path']}: status {status}")


def _exit(code: int | None, timeout: float) -> str:
    return f"still running after {timeout:g} s" if code is None else f"exit code {code}"


def _http_status(probe: dict[str, Any], address: str, timeout: float) -> int:
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


def poll_exit_code(exit_code: Callable[[], int | None], timeout: float, *, interval: float = 0.05) -> int | None:
    """None when the command still runs at the timeout."""
    deadline = time.monotonic() + timeout
    while (code := exit_code()) is None and time.monotonic() < deadline:
        time.sleep(interval)
    return code
