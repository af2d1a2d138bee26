"""The agent as a process: one at a time, its loop, and starting it detached from the terminal."""

from __future__ import annotations

import os
import site
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kelvin_provision.agent import turn
from kelvin_provision.errors import AgentSilent, Locked, ProvisionError
from kelvin_provision.events import Note, Progress
from kelvin_provision.files.durable import private_folder, writing_to
from kelvin_provision.files.lock import exclusive, holder
from kelvin_provision.node import Node, opened
from kelvin_provision.settings.model import Settings

TICK = 0.5
"""Seconds between two looks at whether the ledger has changed."""
RETRY = 10.0
"""Seconds after which unfinished work is tried again although nothing has changed."""
TEND = 30.0
"""Seconds between two rounds of putting images back and looking at the cluster."""
LOG_LIMIT = 1 << 20


def lock_path(state_dir: Path) -> Path:
    """The lock that the living agent holds."""
    return state_dir / "agent.lock"


def log_path(state_dir: Path) -> Path:
    """Where a detached agent writes what it does."""
    return state_dir / "agent.log"


def alive(state_dir: Path) -> dict[str, Any] | None:
    """Pid, user, command and start of the agent that runs now, or None."""
    return holder(lock_path(state_dir))


def run(node: Node, stop: Callable[[], bool], *, until_idle: bool = False, until_empty: bool = False) -> None:
    """Work until `stop`, or until nothing is left to do (`until_idle`), or to look after (`until_empty`).

    Raises Locked when an agent is alive already.
    """
    private_folder(node.settings.state_dir)
    with exclusive(lock_path(node.settings.state_dir), command="agent run"):
        _recover(node)
        ended = threading.Event()
        tending = threading.Thread(target=_tend, args=(node.settings, node.progress, ended), name="tend", daemon=True)
        tending.start()
        try:
            _work(node, stop, until_idle=until_idle, until_empty=until_empty)
        finally:
            ended.set()
            tending.join(timeout=TICK)


def _work(node: Node, stop: Callable[[], bool], *, until_idle: bool, until_empty: bool) -> None:
    seen, next_try = None, 0.0
    while not stop():
        if node.ledger.version() != seen or time.monotonic() >= next_try:
            idle = turn.take(node, stop)
            seen, next_try = node.ledger.version(), time.monotonic() + RETRY
            if stop() or (until_idle and idle):
                return
        if until_empty and not node.ledger.names():
            return
        time.sleep(TICK)


def _tend(settings: Settings, progress: Progress, ended: threading.Event) -> None:
    """Beside the work and with connections of its own: a download of days must not stop anyone looking after what runs."""
    with opened(settings, progress=progress) as node:
        while not ended.wait(TEND):
            turn.tend(node)


def _recover(node: Node) -> None:
    """What a crash left is finished or undone now, unless a command is at work: then it was no crash, or that command does it."""
    try:
        with node.changing("agent: recovery"):
            pass
    except Locked:
        return
    except ProvisionError as error:
        node.progress(Note(f"recovery: {error}"))


def ensure(state_dir: Path, arguments: Sequence[str], *, patience: float = 10.0) -> bool:
    """Start an agent in a session of its own when none is alive; True when one was started. Raises AgentSilent.

    `arguments` are the command line's own (`--state-dir`, `--config`): the agent must see the same box. It survives the terminal,
    not a reboot.
    """
    if alive(state_dir):
        return False
    private_folder(state_dir)
    log = log_path(state_dir)
    with writing_to(log):
        mode = "wb" if log.exists() and log.stat().st_size > LOG_LIMIT else "ab"
        with log.open(mode) as sink:
            log.chmod(0o600)
            command = [sys.executable, "-m", "kelvin_provision", "agent", "run", "--until-empty", *arguments]
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True, cwd="/", env=_environment()
            )
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if alive(state_dir):
            return True
        if child.poll() is not None and not alive(state_dir):
            break
        time.sleep(0.02)
    evidence = log.read_text(errors="replace").splitlines()[-5:]
    raise AgentSilent("the agent did not start; what was deployed is stored and waits for one", evidence=evidence)


def _environment() -> dict[str, str]:
    """Ours, with paths made absolute: the agent works in the root folder, so that it keeps no medium busy."""
    found = dict(os.environ)
    if "KUBECONFIG" in found:
        found["KUBECONFIG"] = os.pathsep.join(str(Path(part).absolute()) for part in found["KUBECONFIG"].split(os.pathsep) if part)
    # Started from a source tree, the package was found by the working folder; the agent's is `/`.
    root = str(Path(__file__).parents[2])
    if root not in {*site.getsitepackages(), site.getusersitepackages()}:
        found["PYTHONPATH"] = os.pathsep.join(filter(None, (root, found.get("PYTHONPATH"))))
    return found
