"""Starting, stopping and restarting the agent: through systemd if it is a service, else by the pid in its lock.

An apply of the agent is never interrupted: stopping is refused until it is done.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM

from kelvin_provision.agent.lifecycle import process
from kelvin_provision.agent.systemd import unit
from kelvin_provision.agent.systemd.service import looks_after
from kelvin_provision.errors import Locked, PermissionRefused
from kelvin_provision.files.lock import holder
from kelvin_provision.systemd.systemctl import Systemd

TIMEOUT = 30.0
"""Seconds to wait for the agent to end; later it ends by itself."""
TICK = 0.1
DETACHED = "it does not survive a reboot until it is a service (agent install)"


@dataclass(frozen=True)
class Result:
    """The outcome for the agent. `service`: whether systemd runs it."""

    outcome: str
    detail: str = ""
    service: bool = False
    warnings: tuple[str, ...] = ()


def start(systemd: Systemd, state_dir: Path, command: Sequence[str]) -> Result:
    """Start it unless it runs: the service if it is installed for this state directory, else with this command line.

    Raises AgentSilent, ServiceFailed.
    """
    service = is_service(systemd, state_dir)
    if agent := process.alive(state_dir):
        return Result("unchanged", f"it runs already, pid {agent.get('pid', '?')}", service)
    if service:
        systemd.tell("start", unit.NAME)
        return Result("started", unit.NAME, service)
    process.ensure(state_dir, command)
    pid = (process.alive(state_dir) or {}).get("pid", "?")
    return Result("started", f"pid {pid}", warnings=(DETACHED,))


def stop(systemd: Systemd, state_dir: Path, *, timeout: float = TIMEOUT, sleep: Callable[[float], object] = time.sleep) -> Result:
    """Stop it; downloads keep every byte. Raises Locked while it applies, PermissionRefused for another user's agent, ServiceFailed."""
    _refuse_while_applying(state_dir)
    service = is_service(systemd, state_dir)
    if service and systemd.active(unit.NAME):
        systemd.tell("stop", unit.NAME)
        return Result("stopped", unit.NAME, service, ("it starts again with the box",))
    agent = process.alive(state_dir)
    if agent is None:
        return Result("unchanged", "it does not run", service)
    _terminate(agent)
    deadline = time.monotonic() + timeout
    while process.alive(state_dir) is not None:
        if time.monotonic() > deadline:
            return Result("stopping", f"pid {agent.get('pid', '?')}", warnings=("it ends when its present work is done",))
        sleep(TICK)
    return Result("stopped", f"pid {agent.get('pid', '?')}", warnings=("the next deploy starts one again",))


def restart(systemd: Systemd, state_dir: Path, command: Sequence[str]) -> Result:
    """Stop it if it runs, then start it. Raises as `stop` and `start`."""
    if is_service(systemd, state_dir) and systemd.active(unit.NAME):
        _refuse_while_applying(state_dir)
        systemd.tell("restart", unit.NAME)
        return Result("restarted", unit.NAME, service=True)
    stopped = stop(systemd, state_dir)
    if stopped.outcome == "stopping":
        return stopped
    started = start(systemd, state_dir, command)
    return Result("restarted" if stopped.outcome == "stopped" else "started", started.detail, started.service, started.warnings)


def is_service(systemd: Systemd, state_dir: Path) -> bool:
    """Whether systemd runs the agent of this state directory."""
    return systemd.here and looks_after(systemd, state_dir)


def _refuse_while_applying(state_dir: Path) -> None:
    change, agent = holder(state_dir / "lock"), process.alive(state_dir)
    if change and agent and change.get("pid") == agent.get("pid"):
        raise Locked(f"the agent has a change under way since {change.get('since', '?')}: {change.get('command', '?')}")


def _terminate(agent: dict[str, object]) -> None:
    try:
        with suppress(ProcessLookupError, KeyError):
            os.kill(int(str(agent["pid"])), SIGTERM)
    except PermissionError as error:
        raise PermissionRefused(f"the agent, pid {agent['pid']}, belongs to {agent.get('user', 'another user')}") from error
