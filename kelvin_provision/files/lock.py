"""One writer at a time: a flock, which the kernel releases with the process, so that it is never stale."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from kelvin_provision import timestamps
from kelvin_provision.errors import Locked
from kelvin_provision.files.durable import open_own, writing_to

PROBE_PATIENCE = 5.0
"""Seconds to retry while only processes that ask for the holder have the lock; each of them has it for microseconds."""

NAME_PATIENCE = 1.0
"""Seconds to retry while the holder has not written its name: it does so at once, unless the disk is full."""

WaitFor = Callable[[Mapping[str, Any]], float]
"""How many seconds a holder is waited for."""

MAX_HOLDER_BYTES = 4096


def user() -> str:
    """The person behind this process: who called sudo, else the login name, else the user's number."""
    for variable in ("SUDO_USER", "LOGNAME", "USER", "LNAME", "USERNAME"):
        if name := os.environ.get(variable):
            return name.encode(errors="surrogateescape").decode(errors="backslashreplace")  # it is stored, and printed
    import pwd  # may ask a directory server

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except (KeyError, OSError):
        return str(os.getuid())


def holder(path: Path) -> dict[str, Any] | None:
    """Who holds the lock now, or None. Asks the kernel first: the file may name a process that is gone.

    Empty when the holder has not written its name: it has just taken the lock, or the disk is full.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        return _read_holder(descriptor) if _is_held(descriptor) else None
    except OSError:  # a filesystem without locks: no process holds one there
        return None
    finally:
        os.close(descriptor)


def _is_held(descriptor: int) -> bool:
    """Asking takes the lock for a moment, shared with all others who ask, so they do not see each other."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False


def _read_holder(descriptor: int) -> dict[str, Any]:
    try:
        document = json.loads(os.pread(descriptor, MAX_HOLDER_BYTES, 0))
    except (ValueError, OSError):
        return {}
    return document if isinstance(document, dict) else {}


def _locked(path: Path, by: dict[str, Any]) -> Locked:
    if not by:
        return Locked(f"{path} is held by another process, which could not write its name into it")
    return Locked(f"{path} is held by {by.get('user')} (pid {by.get('pid')}) since {by.get('since')}: {by.get('command')}")


@contextmanager
def exclusive(path: Path, *, command: str, wait: float | WaitFor = 0.0, more: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Hold the lock for the time of the block; raises Locked, which names the holder, after `wait` seconds, which may depend on it.

    `command` and `more` are written into the file for `holder`. On a full disk the lock is held without them.
    """
    descriptor = open_own(path, os.O_RDWR | os.O_CREAT)
    try:
        _acquire(descriptor, path, wait if callable(wait) else lambda _: wait)
        document = {"pid": os.getpid(), "user": user(), "command": command, "since": timestamps.rfc3339_now()} | dict(more or {})
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(document).encode(), 0)
        try:
            yield
        finally:
            with suppress(OSError):  # the next holder has not written its name yet, and must not be taken for us
                os.ftruncate(descriptor, 0)
    finally:
        with suppress(OSError):  # a late error of a remote filesystem; the descriptor is gone all the same
            os.close(descriptor)


def _jitter() -> float:
    """So that two do not retry in step."""
    import random  # who only reads needs none

    return random.uniform(0.0001, 0.002)  # noqa: S311  (no secret)


def _acquire(descriptor: int, path: Path, wait: WaitFor) -> None:
    began = time.monotonic()
    while True:
        with suppress(BlockingIOError), writing_to(path):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        # Refused because of a holder, or of a process that only asks for the holder: the latter is no reason to give up.
        held, by, waited = _is_held(descriptor), _read_holder(descriptor), time.monotonic() - began
        patience = max(wait(by), 0.0 if held and by else NAME_PATIENCE if held else PROBE_PATIENCE)
        if waited >= patience:
            raise _locked(path, by)
        time.sleep(min(0.05, patience) if held and by else _jitter())
