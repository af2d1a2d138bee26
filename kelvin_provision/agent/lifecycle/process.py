"""The agent as a process: its files, whether it is alive, and starting it detached from the terminal."""

from __future__ import annotations

import os
import site
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kelvin_provision.agent.lifecycle import logfile
from kelvin_provision.agent.lifecycle.handover import successor_waits
from kelvin_provision.agent.lifecycle.identity import absolute, outdated
from kelvin_provision.errors import AgentSilent
from kelvin_provision.files.durable import private_folder, writing_to
from kelvin_provision.files.lock import holder
from kelvin_provision.settings.model import Settings
from kelvin_provision.settings.sources import SITE_VARIABLE

FASTER = 0.5
"""Seconds in which an agent that another command started must be there when ours has ended."""
_OF_A_SERVICE = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}
"""What systemd gives a service that deploys is for that service alone."""


def lock_path(state_dir: Path) -> Path:
    """The lock that the living agent holds."""
    return state_dir / "agent.lock"


def log_path(state_dir: Path) -> Path:
    """Where a detached agent writes what it does."""
    return state_dir / "agent.log"


def now_path(state_dir: Path) -> Path:
    """Where the living agent writes what it does now."""
    return state_dir / "agent.now"


def alive(state_dir: Path) -> dict[str, Any] | None:
    """Pid, user, command and start of the agent that runs now, or None."""
    return holder(lock_path(state_dir))


def ensure(state_dir: Path, command: Sequence[str], *, settings: Settings | None = None, patience: float = 10.0) -> bool:
    """Start an agent in a session of its own when none is alive; True when one was started. Raises AgentSilent.

    `command` is its command line. It survives the terminal, not a reboot. One that is alive with other settings than these is
    replaced; False then, while it still has something to end.
    """

    def fits() -> bool | None:
        found = alive(state_dir)
        return None if found is None else settings is None or not outdated(found, settings)

    if fits():
        return False
    private_folder(state_dir)
    log = log_path(state_dir)
    logfile.shorten(log)
    with writing_to(log), log.open("ab") as sink:
        log.chmod(0o600)
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True, cwd="/", env=environment(os.environ)
        )
    deadline, ended = time.monotonic() + patience, False
    while time.monotonic() < deadline:
        if fits():
            return True
        if not ended and child.poll() is not None:
            # Another command's may have been faster; it is not there yet when ours was refused by one that only waits.
            ended, deadline = True, time.monotonic() + FASTER
        time.sleep(0.02)
    # In this order: who waits does so until it has the lock.
    if successor_waits(state_dir) or (found := fits()) is False:
        return False
    if found:
        return True
    evidence = log.read_text(errors="replace").splitlines()[-5:]
    raise AgentSilent("the agent did not start; what was deployed is stored and waits for one", evidence=evidence)


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Ours, with paths made absolute: the agent works in the root folder, so that it keeps no medium busy."""
    found = {name: value for name, value in environ.items() if name not in _OF_A_SERVICE}
    if "KUBECONFIG" in found:
        found["KUBECONFIG"] = os.pathsep.join(str(absolute(part)) for part in found["KUBECONFIG"].split(os.pathsep) if part)
    for name in (SITE_VARIABLE, "DOCKER_CONFIG"):
        if found.get(name):
            found[name] = str(Path(found[name]).absolute())
    # Started from a source tree, the package was found by the working folder; the agent's is `/`.
    root = str(Path(__file__).parents[3])
    if root not in {*site.getsitepackages(), site.getusersitepackages()}:
        found["PYTHONPATH"] = os.pathsep.join(filter(None, (root, found.get("PYTHONPATH"))))
    return found
