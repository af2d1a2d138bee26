"""One writer: a lock whose key the kernel keeps, so that it is gone with the process and never stale."""

from __future__ import annotations

import fcntl
import json
import os
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from kelvin_provision import timestamps
from kelvin_provision.errors import Locked
from kelvin_provision.files.durable import writing_to

LOOKED_AT = 5.0
"""Seconds to go on trying while nobody but people who look has the lock; each of them has it for microseconds."""


def user() -> str:
    """The person behind this process: who called sudo, else the login name, else the number."""
    import getpass

    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _who(command: str) -> dict[str, Any]:
    return {"pid": os.getpid(), "user": user(), "command": command, "since": timestamps.rfc3339_now()}


def holder(path: Path) -> dict[str, Any] | None:
    """Who holds the lock now, or None. Asks the kernel first: what stands in the file may be of the dead.

    Empty when somebody holds it and has not said who, because it only just took it or the disk is full.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return _read(descriptor) if _held(descriptor) else None
    finally:
        os.close(descriptor)


def _held(descriptor: int) -> bool:
    """Whether somebody holds it for good. Asking takes it for a moment, together with all others who ask: they see nobody."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False


def _read(descriptor: int) -> dict[str, Any]:
    try:
        found = json.loads(os.pread(descriptor, 4096, 0))
    except (ValueError, OSError):
        found = {}
    return found if isinstance(found, dict) else {}


def _refused(path: Path, by: dict[str, Any]) -> Locked:
    who = f"{by.get('user', 'someone')} (pid {by.get('pid', '?')}) since {by.get('since', '?')}: {by.get('command', '?')}"
    return Locked(f"{path} is held by {who}")


@contextmanager
def exclusive(path: Path, *, command: str, wait: float = 0.0, more: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Hold the lock for the time of the block; raises Locked, which names the holder, after `wait` seconds.

    `more` is for those who ask for the holder. What is said of the holder is a courtesy: a full disk takes the lock and not the words.
    """
    with writing_to(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _take(descriptor, path, wait)
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(_who(command) | dict(more or {})).encode(), 0)
        try:
            yield
        finally:
            with suppress(OSError):  # whoever comes next has not written its name yet, and must not be taken for us
                os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _take(descriptor: int, path: Path, wait: float) -> None:
    began = time.monotonic()
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        # Refused by one who holds it, or by one who looks whether somebody does: only the former is a reason to give up.
        held, waited = _held(descriptor), time.monotonic() - began
        if waited >= (wait if held else max(wait, LOOKED_AT)):
            raise _refused(path, _read(descriptor))
        time.sleep(min(0.05, wait) if held else random.uniform(0.0001, 0.002))  # noqa: S311  (so that two do not step in time)
