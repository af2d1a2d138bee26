"""The agent as a process: its files, whether it is alive, and starting it detached from the terminal."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kelvin_provision.agent.lifecycle import logfile
from kelvin_provision.agent.lifecycle.handover import successor_waits
from kelvin_provision.agent.lifecycle.identity import outdated
from kelvin_provision.errors import AgentSilent
from kelvin_provision.files.durable import open_own, private_folder, read_own
from kelvin_provision.files.lock import holder
from kelvin_provision.masking.redactor import mask_text
from kelvin_provision.settings.model import Settings
from kelvin_provision.systemd.environment import with_absolute_paths

PATIENCE = 10.0
"""Seconds in which a new agent must be alive."""
FASTER = 0.5
"""Seconds in which an agent that another command started must be alive after ours has ended."""


def lock_path(state_dir: Path) -> Path:
    """The lock that the living agent holds."""
    return state_dir / "agent.lock"


def log_path(state_dir: Path) -> Path:
    """The log of a detached agent."""
    return state_dir / "agent.log"


def now_path(state_dir: Path) -> Path:
    """The file with the agent's present activity."""
    return state_dir / "agent.now"


def start_request_path(state_dir: Path) -> Path:
    """The file that asks systemd for an agent when it is written."""
    return state_dir / "agent.start"


def alive(state_dir: Path) -> dict[str, Any] | None:
    """Pid, user, command and start of the agent that runs now, or None."""
    return holder(lock_path(state_dir))


def ensure(state_dir: Path, command: Sequence[str], *, settings: Settings | None = None, patience: float = PATIENCE) -> bool:
    """Start a detached agent if none is alive; True if one was started. Raises AgentSilent.

    `command` is its command line. It survives the terminal, but no reboot. A running agent with other settings is replaced; returns
    False while that one still has work to end.
    """

    def fits() -> bool | None:
        agent = alive(state_dir)
        return None if agent is None else settings is None or not outdated(agent, settings)

    if fits():
        return False
    private_folder(state_dir)
    log = log_path(state_dir)
    logfile.shorten(log)
    with open(open_own(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), "ab") as sink:  # noqa: PTH123  (a descriptor)
        os.fchmod(sink.fileno(), 0o600)
        environment = with_absolute_paths(os.environ)
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True, cwd="/", env=environment
        )
    deadline, ended = time.monotonic() + patience, False
    while time.monotonic() < deadline:
        if fits():
            return True
        if not ended and child.poll() is not None:
            # Another command's agent may have been faster; it is not alive yet if it refused ours while waiting.
            ended, deadline = True, time.monotonic() + FASTER
        time.sleep(0.02)
    # In this order: a successor waits until it has the lock.
    if successor_waits(state_dir) or (current := fits()) is False:
        return False
    if current:
        return True
    evidence = [mask_text(line) for line in read_own(log).decode(errors="replace").splitlines()[-5:]]
    raise AgentSilent("the agent did not start; what was deployed is stored and waits for one", evidence=evidence)
