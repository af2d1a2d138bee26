"""One rehearsal at a time, which every change ends. What a crash left is taken away by the next change, rehearsal or turn of the agent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kelvin_provision.context import Context
from kelvin_provision.errors import Locked, ProvisionError
from kelvin_provision.events import Note
from kelvin_provision.files.durable import private_folder
from kelvin_provision.files.lock import exclusive, holder

FACT = "rehearsal"
"""The ledger's fact that objects of a rehearsal may be on the cluster: its workload, or empty."""


def lock_of(ctx: Context) -> Path:
    return private_folder(ctx.settings.state_dir) / "rehearsal.lock"


def _request_of(ctx: Context) -> Path:
    """While this file is there, a rehearsal ends and none begins."""
    return ctx.settings.state_dir / "rehearsal.end"


@contextmanager
def rehearsing(ctx: Context, command: str) -> Iterator[Callable[[], bool]]:
    """Hold the rehearsal lock for the block; gives whether a change asks for the end. Takes away first what a crash left.

    Raises Locked where another rehearsal runs or a change is under way: that one has the operator lock, which is free afterwards.
    """
    request = _request_of(ctx)
    with exclusive(lock_of(ctx), command=command):
        with exclusive(private_folder(ctx.settings.state_dir) / "lock", command=command, wait=ctx.timings.lock_wait_agent):
            # A change that was under way has finished; one that begins from now on finds the rehearsal lock taken, and asks for the end.
            request.unlink(missing_ok=True)
            tidy(ctx)
        yield request.exists


@contextmanager
def marked(ctx: Context, workload: str) -> Iterator[None]:
    """Something of this workload's rehearsal is on the cluster in the block; afterwards nothing is, unless the block raises."""
    ctx.ledger.remember(FACT, workload)
    yield
    ctx.ledger.remember(FACT, "")


def end_rehearsal(ctx: Context) -> None:
    """Called with the operator lock held, before a change: whatever rehearsal runs ends, and nothing of it is left. Raises Locked."""
    if holder(lock_of(ctx)) is None and not left_over(ctx):
        return
    request = _request_of(ctx)
    request.touch(mode=0o600)
    try:
        with exclusive(lock_of(ctx), command="ending a rehearsal", wait=ctx.timings.rehearsal_end):
            tidy(ctx)
    except Locked:
        raise
    except ProvisionError as error:  # the change says itself whether it can do without the cluster
        ctx.progress(Note(f"what a rehearsal has left was not taken away: {error}"))
    finally:
        request.unlink(missing_ok=True)


def left_over(ctx: Context) -> bool:
    """Whether a rehearsal runs, or was cut off."""
    return ctx.connections.has_ledger and bool(ctx.ledger.fact(FACT))


def tidy(ctx: Context) -> tuple[str, ...]:
    """With the rehearsal lock held: take away what is left, and name it."""
    workload = ctx.ledger.fact(FACT) if ctx.connections.has_ledger else ""
    if not workload:
        return ()
    gone = ctx.cluster.end_rehearsals()
    ctx.ledger.remember(FACT, "")
    if gone:
        ctx.progress(Note(f"took away what an interrupted rehearsal of {workload} had left: {', '.join(gone)}"))
    return gone


def tidy_after_crash(ctx: Context) -> None:
    """For the agent: nothing happens while a rehearsal runs, or where the cluster does not answer. It tries again at every turn."""
    if not left_over(ctx):
        return
    try:
        with exclusive(lock_of(ctx), command="taking away a rehearsal"):
            tidy(ctx)
    except ProvisionError:
        return
