"""The agent as a process: one at a time, its loop, and starting it detached from the terminal."""

from __future__ import annotations

import os
import site
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kelvin_provision.agent import turn
from kelvin_provision.agent.activity import Activity
from kelvin_provision.agent.faults import Faults
from kelvin_provision.agent.notify import notify
from kelvin_provision.agent.pulse import Pulse, tell_systemd
from kelvin_provision.agent.tending import Tending
from kelvin_provision.errors import AgentSilent, Locked, ProvisionError
from kelvin_provision.events import Note, Progress
from kelvin_provision.files.durable import private_folder, writing_to
from kelvin_provision.files.lock import exclusive, holder
from kelvin_provision.node import Node

TICK = 0.5
"""Seconds between two looks at whether the ledger has changed."""
RETRY = 10.0
"""Seconds after which unfinished work is tried again although nothing has changed."""
GOODBYE = 1.0
"""Seconds that who looks after the box gets to end; what it does may be cut off anywhere."""
LOG_LIMIT = 1 << 20


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


def run(node: Node, stop: Callable[[], bool], *, until_idle: bool = False, until_empty: bool = False) -> None:
    """Work until `stop`, or until nothing is left to do (`until_idle`), or to look after (`until_empty`).

    Raises Locked when an agent is alive already.
    """
    state_dir, said = private_folder(node.settings.state_dir), node.progress
    with exclusive(lock_path(state_dir), command="agent run"):
        activity, pulse = Activity(now_path(state_dir), said), Pulse()
        ended = threading.Event()

        def asked() -> bool:
            activity.publish()
            return stop()

        node.progress = pulse.heard("work", activity)
        threads = [
            threading.Thread(target=tell_systemd, args=(pulse, activity.words, ended), name="systemd", daemon=True),
            threading.Thread(target=_tend, args=(node, said, pulse, ended), name="tend", daemon=True),
        ]
        # Ready before the recovery: going back to what ran before may take longer than systemd waits for a start.
        notify("READY=1", f"STATUS={activity.words()}")
        try:
            for thread in threads:
                thread.start()
            _recover(node)
            _work(node, pulse.asked("work", asked), until_idle=until_idle, until_empty=until_empty)
        finally:
            notify("STOPPING=1")
            ended.set()
            threads[1].join(timeout=GOODBYE)
            node.progress = said
            activity.close()


def _work(node: Node, stop: Callable[[], bool], *, until_idle: bool, until_empty: bool) -> None:
    faults, seen, idle, next_try = Faults(), (-1, -1), False, 0.0
    while not stop():
        try:
            before = node.ledger.version()
            if before != seen or (not idle and time.monotonic() >= next_try):
                if node.interrupted:
                    _recover(node)  # a command died meanwhile, or the cluster was not up yet when we came
                idle = turn.take(node, stop, faults) and not node.interrupted
                # What others wrote meanwhile is news, what we wrote ourselves is none.
                seen, next_try = (before[0], node.ledger.version()[1]), time.monotonic() + RETRY
                if stop() or (until_idle and idle) or (until_empty and not node.ledger.names()):
                    return
        except Exception as error:  # noqa: BLE001  (a full disk, or our bug: others are still looked after, and it may heal)
            idle, seen, next_try = False, node_version(node), time.monotonic() + RETRY
            _told(node, error, faults)
        time.sleep(TICK)


def node_version(node: Node) -> tuple[int, int]:
    """The ledger's version, or that of none when it cannot be read."""
    try:
        return node.ledger.version()
    except ProvisionError:
        return (-1, -1)


def _told(node: Node, error: Exception, faults: Faults) -> None:
    if isinstance(error, ProvisionError):
        node.progress(Note(f"{error}; trying again in {RETRY:.0f} s"))
        return
    text, lines = faults.add("turn", error)
    for line in (text, *lines):
        node.progress(Note(line))


def _tend(node: Node, said: Progress, pulse: Pulse, ended: threading.Event) -> None:
    try:
        with node.beside(pulse.heard("tend", said)) as other:
            Tending(other, pulse.asked("tend", ended.is_set)).run()
    finally:
        pulse.gone("tend")


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
                command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True, cwd="/", env=environment(os.environ)
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


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Ours, with paths made absolute: the agent works in the root folder, so that it keeps no medium busy."""
    found = dict(environ)
    if "KUBECONFIG" in found:
        found["KUBECONFIG"] = os.pathsep.join(str(Path(part).absolute()) for part in found["KUBECONFIG"].split(os.pathsep) if part)
    # Started from a source tree, the package was found by the working folder; the agent's is `/`.
    root = str(Path(__file__).parents[2])
    if root not in {*site.getsitepackages(), site.getusersitepackages()}:
        found["PYTHONPATH"] = os.pathsep.join(filter(None, (root, found.get("PYTHONPATH"))))
    return found
