"""What the agent does beside its turns, each in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from kelvin_provision.agent.questions.answering import Answering
from kelvin_provision.agent.questions.jobs import FollowingJobs, Jobs
from kelvin_provision.agent.reconciler import Reconciler
from kelvin_provision.agent.watchdog import Watchdog
from kelvin_provision.context import Context, separate
from kelvin_provision.events import Note
from kelvin_provision.files.durable import in_words

if TYPE_CHECKING:
    from kelvin_provision.nodes.keys.files import Membership


def daemon(name: str, work: Callable[..., None], *args: object) -> threading.Thread:
    """A thread that does not keep the process alive."""
    return threading.Thread(target=work, args=args, name=name, daemon=True)


def reconcile(ctx: Context, watchdog: Watchdog, ended: threading.Event) -> None:
    """Observe the cluster, and restore what is missing."""
    name = "reconciler"
    try:
        with separate(ctx, progress=watchdog.wrap_progress(name, ctx.progress), stop=watchdog.wrap_stop(name, ended.is_set)) as own:
            Reconciler(own).run()
    finally:
        watchdog.remove(name)


def leads(ctx: Context, member: Membership | None) -> bool:
    """Whether other nodes can join this one."""
    return bool(ctx.settings.nodes.listen) and member is None


def lead(ctx: Context, ended: threading.Event) -> None:
    """Answer members."""
    from kelvin_provision.nodes import roles  # not on a box of one node

    roles.lead(ctx, ended)


def follows(ctx: Context, jobs: Jobs | None) -> bool:
    """Whether this box follows publications or sends reports."""
    follow = ctx.settings.follow
    return bool(jobs and "follow" in jobs.names and (follow.publications or follow.report))


def follow(ctx: Context, jobs: Jobs, ended: threading.Event) -> None:
    """Look at publications, and send reports."""
    from kelvin_provision.following.follower import Follower  # not on a box that follows nothing

    with separate(ctx, progress=ctx.progress, stop=ended.is_set) as own:
        Follower(own, FollowingJobs(jobs)).run(ended)


def answer(ctx: Context, answering: Answering) -> None:
    """Answer other processes. Without a socket the agent does all its other work."""
    try:
        answering.run()
    except OSError as error:
        ctx.progress(Note(f"other processes cannot ask this agent: {in_words(error)}"))
