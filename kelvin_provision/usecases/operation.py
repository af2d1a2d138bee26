"""What every change has in common: the operator lock, recovery of what a crash left, and garbage collection afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from kelvin_provision.applying import hooks, recovery
from kelvin_provision.applying.policy import policy_of
from kelvin_provision.applying.recovery import Recovered
from kelvin_provision.context import Context
from kelvin_provision.errors import ProvisionError
from kelvin_provision.events import Note
from kelvin_provision.files.durable import private_folder
from kelvin_provision.files.lock import exclusive, holder
from kelvin_provision.images.prune import collect_garbage
from kelvin_provision.ledger import journal
from kelvin_provision.ledger.model import Order

AGENT = "agent:"
"""How the command of the operator lock begins while the agent holds it."""


@dataclass(frozen=True)
class OrderTicket:
    """How the agent enters a use-case: under its own name and patience, and only if what it decided earlier still holds.

    `still_wanted` is asked once the lock is held: what was decided before may be done or cancelled by then, and nothing happens.
    """

    command: str
    lock_wait: float = 0.0
    still_wanted: Callable[[], bool] = lambda: True
    order: Order | None = None


@dataclass
class Running:
    """A change under way. `warnings` grow: what recovery did before it, what went wrong in its course and after it."""

    recovered: Recovered
    warnings: tuple[str, ...]

    def warn(self, *warnings: str) -> None:
        self.warnings = (*self.warnings, *warnings)


@contextmanager
def operation(ctx: Context, command: str, *, wait: float = 0.0) -> Iterator[Running]:
    """Hold the operator lock for the block. What a crash left is finished or undone first; images that nothing needs are freed afterwards.

    `command` is what the loser of the lock is told. Raises Locked.
    """
    lock = private_folder(ctx.settings.state_dir) / "lock"
    current = holder(lock)
    if not wait and current and str(current.get("command")).startswith(AGENT):
        # What the agent does ends by itself, so it is waited for instead of refused.
        ctx.progress(Note(f"waiting for the {current['command']}"))
        wait = ctx.timings.lock_wait_command
    with exclusive(lock, command=command, wait=wait):
        recovered = recovery.recover(ctx, policy_of(ctx.settings))
        running = Running(recovered, (*recovered.reports, *hooks.settle(ctx)))
        yield running
        free_images(ctx, running)


def free_images(ctx: Context, running: Running) -> int:
    """Free images that no kept revision needs; returns the bytes freed in the store. The change is done whatever becomes of this."""
    try:
        return collect_garbage(ctx.ledger, ctx.store, lambda: ctx.runtime)
    except (ProvisionError, OSError) as error:
        running.warn(f"images that nothing needs are not freed yet: {error}")
        return 0


def interrupted(ctx: Context) -> bool:
    """Whether a change is unfinished: left by a crash, or under way in another process (then `operation` says so)."""
    return journal.unfinished(ctx.ledger) is not None or hooks.owed(ctx.ledger)


def command_line(verb: str, names: Sequence[str]) -> str:
    """How a change is named to others while it holds the lock."""
    return " ".join(["workloads", verb, *(f"-n {name}" for name in names)]) if names else f"workloads {verb} --all"
