"""Running one hook: what it is given, how long it may take, and what of its words is kept."""

from __future__ import annotations

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
from pathlib import Path

from kelvin_provision.files.notes import printable

GUARD = Path(__file__).with_name("guard.py")
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/", "LANG": "C.UTF-8"}
"""All that a hook sees of ours: no proxy, no login, no setting."""
TICK = 0.25
KEPT = 16 << 10
"""Bytes of its last words; a hook that writes without end costs no more."""
LINES = 20
LONGEST = 400
LATE = 10.0
"""Seconds more than its own that the guard may take."""


@dataclass(frozen=True)
class Outcome:
    """`how` is ended, timeout, stopped, unstartable or lost; `code` is negative for a signal; `lines` are its last words."""

    how: str
    code: int = 0
    why: str = ""
    lines: tuple[str, ...] = ()


def run(hook: Path, document: bytes, event: str, *, timeout: float, stop: Callable[[], bool]) -> Outcome:
    """Until it has ended, its time is up, or `stop`, asked four times a second, says so. Nothing of it is left then."""
    plan = os.memfd_create("plan", os.MFD_CLOEXEC)  # a pipe would make us wait for a hook that does not read
    ours, theirs = socket.socketpair()
    with ours, os.fdopen(plan, "wb") as file:
        file.write(document)
        file.flush()
        os.lseek(plan, 0, os.SEEK_SET)
        with theirs:
            guard = subprocess.Popen(
                [sys.executable, "-I", "-S", str(GUARD), str(timeout), str(theirs.fileno()), str(hook)],
                stdin=plan,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                cwd="/",
                env=ENVIRONMENT | {"HOOK": event},
            )
        with guard:
            return _followed(guard, ours, time.monotonic() + timeout + LATE, stop)


def _followed(guard: subprocess.Popen[bytes], line: socket.socket, deadline: float, stop: Callable[[], bool]) -> Outcome:
    assert guard.stdout is not None  # noqa: S101  (asked for by its caller)
    output, told, said = guard.stdout.fileno(), b"", bytearray()
    os.set_blocking(output, False)
    waiting, stopped = [output, line.fileno()], False
    while True:
        for ready in select.select(waiting, [], [], TICK)[0]:
            data = _read(output) if ready == output else line.recv(1024)
            if ready == output:
                said = (said + data)[-KEPT:]
                waiting = waiting if data else [line.fileno()]
            elif data:
                told += data
            else:  # the guard has said all that it has to say
                said = (said + _read(output))[-KEPT:]
                return _outcome(told.decode(), bytes(said))
        if not stopped and (stop() or time.monotonic() >= deadline):
            stopped = True
            line.shutdown(socket.SHUT_WR)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, KEPT)
    except BlockingIOError:
        return b""


def _outcome(told: str, said: bytes) -> Outcome:
    lines = tuple(printable(line)[:LONGEST] for line in said.splitlines() if line.strip())[-LINES:]
    words = dict(line.split(" ", 1) for line in told.splitlines())
    for how in ("ended", "timeout", "stopped"):
        if how in words:
            return Outcome(how, int(words[how]), "", lines)
    if "unstartable" in words:
        return Outcome("unstartable", 0, words["unstartable"].lower(), lines)
    if "pid" in words:  # somebody has killed the guard
        with suppress(ProcessLookupError):
            os.killpg(int(words["pid"]), signal.SIGKILL)
    return Outcome("lost", 0, "its guard was killed", lines)
