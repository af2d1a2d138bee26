"""One writer: a lock whose key the kernel keeps, so that it is gone with the process and never stale."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kelvin_provision.errors import Locked
from kelvin_provision.files.durable import writing_to


def user() -> str:
    """The person behind this process: who called sudo, else the login name, else the number."""
    import getpass

    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _who(command: str) -> dict[str, Any]:
    return {"pid": os.getpid(), "user": user(), "command": command, "since": datetime.now(UTC).isoformat(timespec="seconds")}


def holder(path: Path) -> dict[str, Any] | None:
    """Who holds the lock now, or None. Asks the kernel first: what stands in the file may be of the dead."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(descriptor)
    else:
        return None
    finally:
        os.close(descriptor)


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
def exclusive(path: Path, *, command: str, wait: float = 0.0) -> Iterator[None]:
    """Hold the lock for the time of the block; raises Locked, which names the holder, after `wait` seconds."""
    with writing_to(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise _refused(path, _read(descriptor)) from None
                time.sleep(0.05)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(_who(command)).encode(), 0)
        yield
    finally:
        os.close(descriptor)
