"""Replacing a detached agent whose settings are outdated, without interrupting its work."""

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


def successor_waits(state_dir: Path) -> bool:
    """Whether another agent is already waiting for the running one to end."""
    return holder(_successor_lock(state_dir)) is not None


def replace_outdated(waiting: ExitStack, state_dir: Path, lock: Path, own: Mapping[str, Any], stop: Callable[[], bool]) -> None:
    """End a detached agent with other settings, and wait for it, however long its apply or import takes.

    Its downloads are kept. It is signalled only while the operator lock is free, because SIGTERM would undo an apply. Returns at once
    when there is no such agent. Raises Locked when another successor is waiting. Close `waiting` once the agent lock is taken.
    """
    if not _replaceable(holder(lock), own):
        return
    waiting.enter_context(exclusive(_successor_lock(state_dir), command="agent run", more=own))
    signalled = None
    while not stop() and _replaceable(agent := holder(lock), own):
        pid = (agent or {}).get("pid")
        if signalled != pid and _tell_to_end(state_dir, lock, pid):
            signalled = pid
        time.sleep(TICK)


def _successor_lock(state_dir: Path) -> Path:
    return state_dir / "agent.next"


def _replaceable(agent: Mapping[str, Any] | None, own: Mapping[str, Any]) -> bool:
    return bool(agent and agent.get("detached") and agent.get("settings") != own["settings"])


def _tell_to_end(state_dir: Path, lock: Path, pid: object) -> bool:
    try:
        with exclusive(state_dir / "lock", command="agent: taking over with new settings"):
            agent = holder(lock)
            if agent and agent.get("pid") == pid:
                terminate(agent)
            return True
    except Locked:
        return False


def terminate(agent: Mapping[str, Any]) -> None:
    """Send SIGTERM to the agent that holds the lock. Ignores an agent that is gone or belongs to another user."""
    with suppress(ProcessLookupError, PermissionError, KeyError):
        os.kill(int(agent["pid"]), SIGTERM)
