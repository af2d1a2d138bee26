"""Running one hook: what it is given, how long it may take, and what is kept of its output."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

GUARD = Path(__file__).with_name("guard.py")
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/", "LANG": "C.UTF-8"}
"""The whole environment of a hook, but for HOOK: none of our proxies, logins and settings."""

TICK = 0.25
MAX_OUTPUT = 16 << 10
"""Bytes that are kept of the end of its output, however much it writes."""

MAX_LINES = 20
GUARD_GRACE = 10.0
"""Seconds that the guard may take longer than the hook's own timeout."""


class Ending(StrEnum):
    """The first four are words of the guard."""

    EXITED = "exited"
    TIMEOUT = "timeout"
    STOPPED = "stopped"
    UNSTARTABLE = "unstartable"
    GUARD_LOST = "guard-lost"


@dataclass(frozen=True)
class Outcome:
    """`code` is negative for a signal; `output` has the last lines."""

    ending: Ending
    code: int = 0
    why: str = ""
    output: tuple[str, ...] = ()

    @property
    def success(self) -> bool:
        return self.ending is Ending.EXITED and self.code == 0


def run(hook: Path, document: bytes, event: str, *, timeout: float, stop: Callable[[], bool]) -> Outcome:
    """Until it exits, at the timeout, or when `stop`, called four times a second, is true. No process of it is left then."""
    plan = os.memfd_create("plan", os.MFD_CLOEXEC)  # a pipe would block for a hook that does not read its input
    parent_end, child_end = socket.socketpair()
    with parent_end, os.fdopen(plan, "wb") as file:
        file.write(document)
        file.flush()
        os.lseek(plan, 0, os.SEEK_SET)
        with child_end:
            guard = subprocess.Popen(
                [sys.executable, "-I", "-S", str(GUARD), str(timeout), str(child_end.fileno()), str(hook)],
                stdin=plan,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[child_end.fileno()],
                start_new_session=True,
                cwd="/",
                env=ENVIRONMENT | {"HOOK": event},
            )
        with guard:
            return _follow(guard, parent_end, time.monotonic() + timeout + GUARD_GRACE, stop)


def _follow(guard: subprocess.Popen[bytes], reports: socket.socket, deadline: float, stop: Callable[[], bool]) -> Outcome:
    assert guard.stdout is not None  # noqa: S101  (it was started with a pipe)
    stdout, report, output = guard.stdout.fileno(), b"", bytearray()
    os.set_blocking(stdout, False)
    sources, stopped = [stdout, reports.fileno()], False
    while True:
        for ready in select.select(sources, [], [], TICK)[0]:
            data = _read(stdout) if ready == stdout else reports.recv(1024)
            if ready == stdout:
                output = (output + data)[-MAX_OUTPUT:]
                sources = sources if data else [reports.fileno()]
            elif data:
                report += data
            else:  # the guard has closed its end
                output = (output + _rest(stdout))[-MAX_OUTPUT:]
                return _outcome(report.decode(), bytes(output))
        if not stopped and (stop() or time.monotonic() >= deadline):
            stopped = True
            reports.shutdown(socket.SHUT_WR)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, MAX_OUTPUT)
    except BlockingIOError:
        return b""


def _rest(descriptor: int) -> bytes:
    """The last words of a hook are in the pipe when it has ended. No more than the pipe holds: a process that escaped may write on."""
    rest, left = b"", fcntl.fcntl(descriptor, fcntl.F_GETPIPE_SZ)
    while left > 0 and (data := _read(descriptor)):
        rest, left = rest + data, left - len(data)
    return rest


def _outcome(report: str, output: bytes) -> Outcome:
    if len(output) == MAX_OUTPUT:  # of more: the first line is a part of one
        output = output.partition(b"\n")[2] or output
    lines = tuple(line.decode("utf-8", "replace") for line in output.splitlines() if line.strip())[-MAX_LINES:]
    reported = dict(line.split(" ", 1) for line in report.splitlines())
    for ending in (Ending.EXITED, Ending.TIMEOUT, Ending.STOPPED):
        if ending in reported:
            return Outcome(ending, int(reported[ending]), "", lines)
    if Ending.UNSTARTABLE in reported:
        return Outcome(Ending.UNSTARTABLE, 0, reported[Ending.UNSTARTABLE].lower(), lines)
    if "pid" in reported:  # the guard was killed, and the hook is still running
        with suppress(ProcessLookupError):
            os.killpg(int(reported["pid"]), signal.SIGKILL)
    return Outcome(Ending.GUARD_LOST, 0, "its guard process was killed", lines)
