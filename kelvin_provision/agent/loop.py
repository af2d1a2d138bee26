"""The main loop of the agent: take the lock, recover, then a turn after every change, beside the reconciler and systemd's threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from kelvin_provision.agent import scheduler, threads, turn
from kelvin_provision.agent.activity import Activity
from kelvin_provision.agent.faults import Faults
from kelvin_provision.agent.lifecycle import logfile
from kelvin_provision.agent.lifecycle.handover import replace_outdated
from kelvin_provision.agent.lifecycle.identity import identity
from kelvin_provision.agent.lifecycle.place import Place
from kelvin_provision.agent.lifecycle.process import lock_path, log_path, now_path
from kelvin_provision.agent.questions.answering import Answer, Answering, socket_path
from kelvin_provision.agent.questions.jobs import Jobs
from kelvin_provision.agent.sealing import Sealing
from kelvin_provision.agent.turn import Memory
from kelvin_provision.agent.watchdog import Watchdog, tell_systemd
from kelvin_provision.context import Context
from kelvin_provision.errors import CannotWrite, Locked, ProvisionError, StateDamaged, StateTooNew
from kelvin_provision.events import Note, Resting
from kelvin_provision.files.durable import private_folder
from kelvin_provision.files.lock import exclusive
from kelvin_provision.hints import command
from kelvin_provision.ledger import orders
from kelvin_provision.systemd.notify import notify
from kelvin_provision.usecases.operation import OrderTicket, interrupted, operation

if TYPE_CHECKING:
    from kelvin_provision.nodes.keys.files import Membership

ACTOR = "agent"
"""The agent as an actor in the history."""
Hopeless = tuple[type[ProvisionError], ...]
"""Errors that do not go away by waiting: `agent run --until-idle` exits with them."""


@dataclass(frozen=True)
class _Until:
    """When the agent ends by itself. `lingers`: a box without workloads is asked questions, too, such as what is on a stick."""

    over: Callable[[], bool]
    hopeless: Hopeless
    idle: bool
    lingers: bool


def run(
    ctx: Context, *, until_idle: bool = False, until_empty: bool = False, answer: Answer | None = None, jobs: Jobs | None = None
) -> None:
    """Work until `ctx.stop`, until there is nothing left to do (`until_idle`), or until there is no workload (`until_empty`).

    A member is idle once its leader, asked in this life, wants nothing that is not here, and knows that it is here.
    `answer` is for other processes that ask for what only the cluster knows, `jobs` for those that ask for more than that.
    Raises Locked when an agent is alive already; with `until_empty`, a detached agent with other settings is replaced.
    """
    ctx = replace(ctx, actor=ACTOR, progress=ctx.sanitizer.progress(ctx.progress))
    state_dir = private_folder(ctx.settings.state_dir)
    lock, own = lock_path(state_dir), identity(ctx.settings, detached=until_empty)

    def over() -> bool:
        # What is to be done as soon as possible is work, also where it has to wait; only a hold may last for ever.
        asked = [order for order in orders.pending(ctx.ledger) if order.at is None]
        if until_idle and all(scheduler.is_held(ctx, order) for order in asked):
            return not scheduler.left_to_do(ctx, tuple(ctx.ledger.readable_unapplied().workloads.values()))
        return until_empty and not asked and not ctx.settings.follow.publications and ctx.ledger.is_empty()

    until = _Until(over, (StateDamaged, StateTooNew) if until_idle else (), idle=until_idle, lingers=until_empty)
    with ExitStack() as waiting:
        if until_empty:
            replace_outdated(waiting, state_dir, lock, own, ctx.stop)
        with exclusive(lock, command="agent run", more=own):
            waiting.close()
            _live(ctx, until, answer, jobs)
    # A deploy after our last look saw us alive and started no agent. With the lock free, it would now.
    while not ctx.stop() and not _surely(ctx, until):
        try:
            with exclusive(lock, command="agent run", more=own):
                _live(ctx, until, answer, jobs)
        except Locked:
            return


def _surely(ctx: Context, until: _Until) -> bool:
    """Whether it is over; False if that cannot be read now."""
    try:
        return until.over()
    except until.hopeless:
        raise
    except ProvisionError as error:
        ctx.progress(Note(str(error)))
        return False


def _live(ctx: Context, until: _Until, answer: Answer | None, jobs: Jobs | None) -> None:
    """Under the lock: threads, recovery, turns. Raises CannotWrite if the state directory was replaced."""
    state_dir = ctx.settings.state_dir
    place = Place(lock_path(state_dir), ctx.ledger.path, interval=ctx.timings.agent_place)
    activity, watchdog, ended = Activity(now_path(state_dir), ctx.progress), Watchdog(), threading.Event()

    def stop() -> bool:
        activity.publish()
        return ctx.stop() or bool(place.gone())

    def status() -> str:
        logfile.shorten(log_path(state_dir))  # called every few seconds, however long a turn takes
        return activity.status()

    working = replace(ctx, progress=watchdog.wrap_progress("work", activity), stop=watchdog.wrap_stop("work", stop))
    answering = Answering(ctx, answer, ended, jobs) if answer else None
    member = _membership(ctx)
    reconciler = threads.daemon("reconciler", threads.reconcile, ctx, watchdog, ended)
    systemd = threads.daemon("systemd", partial(tell_systemd, watchdog, status, ended, interval=ctx.timings.systemd_status))
    questions = threads.daemon("questions", threads.answer, ctx, answering) if answering else None
    follower = threads.daemon("follower", threads.follow, ctx, jobs, ended) if threads.follows(ctx, jobs) else None
    nodes = threads.daemon("leader", threads.lead, ctx, ended) if threads.leads(ctx, member) else None
    # Ready before the recovery: an undo may take longer than systemd waits for a start.
    notify("READY=1", f"STATUS={activity.status()}")
    try:
        for thread in filter(None, (systemd, questions, follower, nodes, None if member else reconciler)):
            thread.start()
        if member:
            _follow_leader(working, member, until_idle=until.idle)
        else:
            _recover(working)
            _review(working)
            is_in_use = partial(answering.is_in_use, ctx.timings.agent_linger) if answering and until.lingers else bool
            _work(working, until, is_in_use)
    finally:
        notify("STOPPING=1")
        ended.set()
        for thread in filter(None, (reconciler, follower, nodes)):
            if thread.ident:
                thread.join(timeout=ctx.timings.agent_goodbye)
        if answering and questions and questions.ident:
            answering.wake()
            questions.join(timeout=ctx.timings.agent_goodbye)
        if not place.gone():
            activity.close()
            socket_path(state_dir).unlink(missing_ok=True)
    if gone := place.gone():
        raise CannotWrite(f"{gone} while the agent was using it", hint=command("agent start", note="the next deploy also starts one"))


def _membership(ctx: Context) -> Membership | None:
    """None for a box that is no member: nothing is imported for that."""
    if not (ctx.settings.state_dir / "nodes" / "membership.json").exists():
        return None
    from kelvin_provision.nodes.keys.files import membership

    return membership(ctx.settings.state_dir)


def _follow_leader(ctx: Context, member: Membership, *, until_idle: bool) -> None:
    from kelvin_provision.nodes import roles  # not on a box of one node

    roles.follow(ctx, member, until_idle=until_idle)


def _work(ctx: Context, until: _Until, is_in_use: Callable[[], bool]) -> None:
    """Until it is `over` after a turn, and as long as it is in use beyond that."""
    memory, sealing, seen, idle, ended, next_try = Memory.of(ctx), Sealing(), (-1, -1), False, False, 0.0
    while not ctx.stop():
        try:
            before = ctx.ledger.version()
            if before != seen or (time.monotonic() >= next_try and (not idle or scheduler.has_scheduled(ctx))):
                if interrupted(ctx):
                    _recover(ctx)  # a command died meanwhile, or the cluster was not up yet when we started
                idle = turn.take(ctx, memory) and not interrupted(ctx)
                sealing.take(ctx)
                _remove_staged_uploads(ctx)
                # Commits of other processes start another turn; our own do not.
                seen = (before[0], ctx.ledger.version()[1])
                pause = 0.0 if memory.continues else ctx.timings.agent_retry
                next_try = time.monotonic() + pause
                if not idle:
                    ctx.progress(Resting(pause))
                ended = idle and until.over()
            if ctx.stop() or (ended and not is_in_use()):
                return
        except until.hopeless:
            raise
        except Exception as error:  # noqa: BLE001  (a full disk, or our bug: others are still looked after, and it may heal)
            idle, ended, seen, next_try = False, False, _ledger_version(ctx), time.monotonic() + ctx.timings.agent_retry
            _log_error(ctx, error, memory.faults)
        time.sleep(ctx.timings.poll)


def _remove_staged_uploads(ctx: Context) -> None:
    if (ctx.settings.state_dir / "uploads").is_dir():
        from kelvin_provision.usecases.bundles.uploaded import remove_staged  # not on a box to which nothing is ever uploaded

        for name in remove_staged(ctx):
            ctx.progress(Note(f"everything of the uploaded bundle {name} is staged: it was removed"))


def _ledger_version(ctx: Context) -> tuple[int, int]:
    """A constant when it cannot be read."""
    try:
        return ctx.ledger.version()
    except ProvisionError:
        return (-1, -1)


def _log_error(ctx: Context, error: Exception, faults: Faults) -> None:
    if isinstance(error, ProvisionError):
        ctx.progress(Note(f"{error}; trying again in {ctx.timings.agent_retry:.0f} s"))
        return
    text, traceback = faults.record("turn", error)
    for line in (text, *traceback):
        ctx.progress(Note(line))


def _review(ctx: Context) -> None:
    """Write again what lists show where a failing disk changed it, and what is known of secrets where the rules are others than before."""
    try:
        if names := ctx.ledger.renew_listing():
            ctx.progress(Note(f"what lists show of {', '.join(names)} was damaged and is written again"))
        while not ctx.stop() and ctx.ledger.review_secrets():
            pass
    except ProvisionError as error:  # such as a full disk: commands then read what they need
        ctx.progress(Note(f"reviewing the ledger: {error}"))
    except Exception as error:  # noqa: BLE001  (our bug: nothing waits for this)
        _log_error(ctx, error, Faults())


def _recover(ctx: Context) -> None:
    """Finish or undo what a crash left, unless a command holds the lock: then there was no crash, or that command does it."""
    try:
        with operation(ctx, OrderTicket("agent: recovery")):
            pass
    except Locked:
        return
    except ProvisionError as error:
        ctx.progress(Note(f"recovery: {error}"))
    except Exception as error:  # noqa: BLE001  (our bug: what runs is observed and what is staged arrives all the same)
        _log_error(ctx, error, Faults())
