"""The agent as a process: one at a time, its loop, and starting it detached from the terminal."""

from __future__ import annotations

import os
import site
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from kelvin_provision.agent import logfile, scheduler, turn
from kelvin_provision.agent.activity import Activity
from kelvin_provision.agent.faults import Faults
from kelvin_provision.agent.handover import await_end, awaited
from kelvin_provision.agent.identity import absolute, identity, outdated
from kelvin_provision.agent.notify import notify
from kelvin_provision.agent.queue import pending
from kelvin_provision.agent.reconciler import Reconciler
from kelvin_provision.agent.turn import Memory
from kelvin_provision.agent.watchdog import Watchdog, tell_systemd
from kelvin_provision.context import Context, separate
from kelvin_provision.errors import AgentSilent, Locked, ProvisionError
from kelvin_provision.events import Note
from kelvin_provision.files.durable import private_folder, writing_to
from kelvin_provision.files.lock import exclusive, holder
from kelvin_provision.settings.model import Settings
from kelvin_provision.settings.sources import SITE_VARIABLE
from kelvin_provision.usecases.operation import interrupted, operation

ACTOR = "agent"
"""Who asks, as the history shows it."""
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


def run(ctx: Context, *, until_idle: bool = False, until_empty: bool = False) -> None:
    """Work until `ctx.stop`, or until nothing is left to do (`until_idle`), or to look after (`until_empty`).

    Raises Locked when an agent is alive already; with `until_empty`, one that a command started with other settings is replaced.
    """
    ctx = replace(ctx, actor=ACTOR)
    state_dir = private_folder(ctx.settings.state_dir)
    lock, mine = lock_path(state_dir), identity(ctx.settings, detached=until_empty)

    def over() -> bool:
        return (until_idle and not pending(ctx.ledger.workloads())) or (until_empty and not ctx.ledger.names())

    with ExitStack() as waiting:
        if until_empty:
            await_end(waiting, state_dir, lock, mine, ctx.stop)
        with exclusive(lock, command="agent run", more=mine):
            waiting.close()
            _live(ctx, over)
    # A deploy that found us alive after our last look has started no agent. Now that the lock is free it would.
    while not ctx.stop() and not _surely(ctx, over):
        try:
            with exclusive(lock, command="agent run", more=mine):
                _live(ctx, over)
        except Locked:
            return


def _surely(ctx: Context, over: Callable[[], bool]) -> bool:
    """Whether it is over. What cannot be read now is not."""
    try:
        return over()
    except ProvisionError as error:
        ctx.progress(Note(str(error)))
        return False


def _live(ctx: Context, over: Callable[[], bool]) -> None:
    """With the lock held: the threads, recovery, the work."""
    state_dir = ctx.settings.state_dir
    activity, watchdog, ended = Activity(now_path(state_dir), ctx.progress), Watchdog(), threading.Event()

    def stop() -> bool:
        activity.publish()
        return ctx.stop()

    def status() -> str:
        logfile.shorten(log_path(state_dir))  # asked for every few seconds, however long a turn takes
        return activity.words()

    working = replace(ctx, progress=watchdog.heard("work", activity), stop=watchdog.asked("work", stop))
    reconciler = threading.Thread(target=_reconcile, args=(ctx, watchdog, ended), name="reconciler", daemon=True)
    telling = partial(tell_systemd, watchdog, status, ended, interval=ctx.timings.systemd_status)
    systemd = threading.Thread(target=telling, name="systemd", daemon=True)
    # Ready before the recovery: an undo may take longer than systemd waits for a start.
    notify("READY=1", f"STATUS={activity.words()}")
    try:
        systemd.start()
        reconciler.start()
        _recover(working)
        _work(working, over)
    finally:
        notify("STOPPING=1")
        ended.set()
        reconciler.join(timeout=ctx.timings.agent_goodbye)
        activity.close()


def _work(ctx: Context, over: Callable[[], bool]) -> None:
    memory, seen, idle, next_try = Memory.of(ctx), (-1, -1), False, 0.0
    while not ctx.stop():
        try:
            before = ctx.ledger.version()
            if before != seen or (time.monotonic() >= next_try and (not idle or scheduler.has_scheduled(ctx))):
                if interrupted(ctx):
                    _recover(ctx)  # a command died meanwhile, or the cluster was not up yet when we started
                idle = turn.take(ctx, memory) and not interrupted(ctx)
                # What others wrote meanwhile is news; what we wrote ourselves is none.
                seen, next_try = (before[0], ctx.ledger.version()[1]), time.monotonic() + ctx.timings.agent_retry
                if ctx.stop() or (idle and over()):
                    return
        except Exception as error:  # noqa: BLE001  (a full disk, or our bug: others are still looked after, and it may heal)
            idle, seen, next_try = False, _ledger_version(ctx), time.monotonic() + ctx.timings.agent_retry
            _log_error(ctx, error, memory.faults)
        time.sleep(ctx.timings.poll)


def _ledger_version(ctx: Context) -> tuple[int, int]:
    """That of no ledger when it cannot be read."""
    try:
        return ctx.ledger.version()
    except ProvisionError:
        return (-1, -1)


def _log_error(ctx: Context, error: Exception, faults: Faults) -> None:
    if isinstance(error, ProvisionError):
        ctx.progress(Note(f"{error}; trying again in {ctx.timings.agent_retry:.0f} s"))
        return
    text, traceback = faults.add("turn", error)
    for line in (text, *traceback):
        ctx.progress(Note(line))


def _reconcile(ctx: Context, watchdog: Watchdog, ended: threading.Event) -> None:
    name = "reconciler"
    try:
        with separate(ctx, progress=watchdog.heard(name, ctx.progress), stop=watchdog.asked(name, ended.is_set)) as own:
            Reconciler(own).run()
    finally:
        watchdog.gone(name)


def _recover(ctx: Context) -> None:
    """Finish or undo what a crash left, unless a command holds the lock: then it was no crash, or that command does it."""
    try:
        with operation(ctx, "agent: recovery"):
            pass
    except Locked:
        return
    except ProvisionError as error:
        ctx.progress(Note(f"recovery: {error}"))
    except Exception as error:  # noqa: BLE001  (our bug: what runs is observed and what is staged arrives all the same)
        _log_error(ctx, error, Faults())


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
