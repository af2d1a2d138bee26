"""The agent as a process: one at a time, its loop, and starting it detached from the terminal."""

from __future__ import annotations

import os
import site
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from kelvin_provision.agent import logfile, scheduler, turn
from kelvin_provision.agent.activity import Activity
from kelvin_provision.agent.faults import Faults
from kelvin_provision.agent.handover import await_end, awaited
from kelvin_provision.agent.identity import absolute, identity, outdated
from kelvin_provision.agent.notify import notify
from kelvin_provision.agent.reconciler import Reconciler
from kelvin_provision.agent.watchdog import Watchdog, tell_systemd
from kelvin_provision.errors import AgentSilent, Locked, ProvisionError
from kelvin_provision.events import Note, Progress
from kelvin_provision.files.durable import private_folder, writing_to
from kelvin_provision.files.lock import exclusive, holder
from kelvin_provision.node import Node
from kelvin_provision.settings.model import Settings
from kelvin_provision.settings.sources import SITE_VARIABLE

TICK = 0.5
"""Seconds between two looks at whether the ledger has changed."""
RETRY = 10.0
"""Seconds after which unfinished work is tried again although nothing has changed."""
GOODBYE = 1.0
"""Seconds that who looks after the box gets to end; what it does may be cut off anywhere."""
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


def run(node: Node, stop: Callable[[], bool], *, until_idle: bool = False, until_empty: bool = False) -> None:
    """Work until `stop`, or until nothing is left to do (`until_idle`), or to look after (`until_empty`).

    Raises Locked when an agent is alive already; with `until_empty`, one that a command started with other settings is replaced.
    """
    state_dir = private_folder(node.settings.state_dir)
    lock, mine = lock_path(state_dir), identity(node.settings, detached=until_empty)

    def over() -> bool:
        return (until_idle and not turn.pending(node)) or (until_empty and not node.ledger.names())

    with ExitStack() as waiting:
        if until_empty:
            await_end(waiting, state_dir, lock, mine, stop)
        with exclusive(lock, command="agent run", more=mine):
            waiting.close()
            _live(node, stop, over)
    # A deploy that found us alive after our last look has started nobody. Now that the lock is free it would.
    while not stop() and not _surely(node, over):
        try:
            with exclusive(lock, command="agent run", more=mine):
                _live(node, stop, over)
        except Locked:
            return


def _surely(node: Node, over: Callable[[], bool]) -> bool:
    """Whether it is over; what cannot be read now is not."""
    try:
        return over()
    except ProvisionError as error:
        node.progress(Note(str(error)))
        return False


def _live(node: Node, stop: Callable[[], bool], over: Callable[[], bool]) -> None:
    """With the lock held: the threads, what a crash left, the work."""
    state_dir, said = node.settings.state_dir, node.progress
    activity, pulse, ended = Activity(now_path(state_dir), said), Watchdog(), threading.Event()

    def asked() -> bool:
        activity.publish()
        return stop()

    def status() -> str:
        logfile.shorten(log_path(state_dir))  # asked for every few seconds, however long a turn takes
        return activity.words()

    node.progress = pulse.heard("work", activity)
    threads = [
        threading.Thread(target=tell_systemd, args=(pulse, status, ended), name="systemd", daemon=True),
        threading.Thread(target=_tend, args=(node, said, pulse, ended), name="tend", daemon=True),
    ]
    # Ready before the recovery: going back to what ran before may take longer than systemd waits for a start.
    notify("READY=1", f"STATUS={activity.words()}")
    try:
        for thread in threads:
            thread.start()
        _recover(node)
        _work(node, pulse.asked("work", asked), over)
    finally:
        notify("STOPPING=1")
        ended.set()
        threads[1].join(timeout=GOODBYE)
        node.progress = said
        activity.close()


def _work(node: Node, stop: Callable[[], bool], over: Callable[[], bool]) -> None:
    faults, seen, idle, next_try = Faults(), (-1, -1), False, 0.0
    while not stop():
        try:
            before = node.ledger.version()
            if before != seen or (time.monotonic() >= next_try and (not idle or scheduler.expected(node))):
                if node.interrupted:
                    _recover(node)  # a command died meanwhile, or the cluster was not up yet when we came
                idle = turn.take(node, stop, faults) and not node.interrupted
                # What others wrote meanwhile is news, what we wrote ourselves is none.
                seen, next_try = (before[0], node.ledger.version()[1]), time.monotonic() + RETRY
                if stop() or (idle and over()):
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


def _tend(node: Node, said: Progress, pulse: Watchdog, ended: threading.Event) -> None:
    try:
        with node.beside(pulse.heard("tend", said)) as other:
            Reconciler(other, pulse.asked("tend", ended.is_set)).run()
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
    except Exception as error:  # noqa: BLE001  (our bug: what runs is looked after and what is staged comes here all the same)
        _told(node, error, Faults())


def ensure(state_dir: Path, arguments: Sequence[str], *, settings: Settings | None = None, patience: float = 10.0) -> bool:
    """Start an agent in a session of its own when none is alive; True when one was started. Raises AgentSilent.

    `arguments` are the command line's own (`--state-dir`, `--config`): the agent must see the same box. It survives the terminal,
    not a reboot. One that is alive with other settings than these is replaced; False then, while it still has something to end.
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
        command = [sys.executable, "-m", "kelvin_provision", "agent", "run", "--until-empty", *arguments]
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
    if awaited(state_dir) or (found := fits()) is False:
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
    root = str(Path(__file__).parents[2])
    if root not in {*site.getsitepackages(), site.getusersitepackages()}:
        found["PYTHONPATH"] = os.pathsep.join(filter(None, (root, found.get("PYTHONPATH"))))
    return found
