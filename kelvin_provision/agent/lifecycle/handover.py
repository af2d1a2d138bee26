"""One agent takes over from another whose settings are not the box's any more."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from signal import SIGTERM
from typing import Any

from kelvin_provision.errors import Locked
from kelvin_provision.files.lock import exclusive, holder

TICK = 0.1


def awaited(state_dir: Path) -> bool:
    """Whether one waits already for the living agent to end."""
    return holder(_next(state_dir)) is not None


def await_end(waiting: ExitStack, state_dir: Path, lock: Path, mine: Mapping[str, Any], stop: Callable[[], bool]) -> None:
    """End a detached agent with other settings and wait until it is gone, however long its apply or import takes.

    What it downloads is kept. An apply is let finish: it is asked to end only while nobody holds the operator lock, because ending
    would undo it. Returns at once when there is none, or one that nobody but its own starter should end. Raises Locked when another
    waits already. Close `waiting` once the lock is taken: until then whoever looks sees that somebody will.
    """
    if not _replaceable(holder(lock), mine):
        return
    waiting.enter_context(exclusive(_next(state_dir), command="agent run", more=mine))
    asked = None
    while not stop() and _replaceable(found := holder(lock), mine):
        pid = (found or {}).get("pid")
        if asked != pid and _ask(state_dir, lock, pid):
            asked = pid
        time.sleep(TICK)


def _next(state_dir: Path) -> Path:
    return state_dir / "agent.next"


def _replaceable(found: Mapping[str, Any] | None, mine: Mapping[str, Any]) -> bool:
    return bool(found and found.get("detached") and found.get("settings") != mine["settings"])


def _ask(state_dir: Path, lock: Path, pid: object) -> bool:
    try:
        with exclusive(state_dir / "lock", command="agent: taking over with new settings"):
            found = holder(lock)
            if found and found.get("pid") == pid:
                end(found)
            return True
    except Locked:
        return False


def end(found: Mapping[str, Any]) -> None:
    """Ask the agent that holds its lock to end. One that is gone already, or is another user's, is left alone."""
    with suppress(ProcessLookupError, PermissionError, KeyError):
        os.kill(int(found["pid"]), SIGTERM)
