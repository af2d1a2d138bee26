"""What every change has in common: the operator lock, recovery of what a crash left, and garbage collection afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

from kelvin_provision.applying import hooks, recovery
from kelvin_provision.applying.observe import observe
from kelvin_provision.applying.policy import ApplyPolicy, policy_of
from kelvin_provision.applying.recovery import Recovered
from kelvin_provision.context import Context
from kelvin_provision.errors import CannotWrite, LeadElsewhere, NoSpace, PermissionRefused, ProvisionError, StateDamaged
from kelvin_provision.events import Note
from kelvin_provision.files.durable import in_words, private_folder
from kelvin_provision.files.lock import exclusive
from kelvin_provision.images.prune import collect_garbage
from kelvin_provision.ledger import archive, history, journal
from kelvin_provision.ledger.model.operations import OnFailure, Phase
from kelvin_provision.ledger.model.orders import Order
from kelvin_provision.ledger.model.workloads import Revision
from kelvin_provision.rehearsing.lock import end_rehearsal
from kelvin_provision.status import OperationKind

AGENT = "agent:"
"""The prefix of the operator lock's command while the agent holds it."""
_NOT_FREED = "images that no version needs have not been removed yet"


@dataclass(frozen=True)
class OrderTicket:
    """How the agent enters a use-case: with its own actor and timeouts, and only if its decision still holds.

    `still_valid` is called under the lock: an order may have been carried out or cancelled in the meantime, and then nothing happens.
    `recovered_by` is the actor of a recovery in the history; empty for the actor of the change.
    """

    command: str
    lock_wait: float = 0.0
    still_valid: Callable[[], bool] = lambda: True
    order: Order | None = None
    recovered_by: str = ""


@dataclass
class Running:
    """A change under way. `warnings` collects what recovery did before it, and what went wrong during and after it, each once."""

    recovered: Recovered
    warnings: tuple[str, ...]
    applied: frozenset[str] = frozenset()
    """Workloads whose interrupted apply recovery finished, or found finished: a repeated request for it is done already."""

    def warn(self, *warnings: str) -> None:
        self.warnings = tuple(dict.fromkeys((*self.warnings, *warnings)))

    def images_not_freed(self, error: Exception) -> None:
        self.warn(f"{_NOT_FREED}: {in_words(error)}")

    @contextmanager
    def afterwards(self, not_done: str) -> Iterator[None]:
        """For what follows the change. That one is done or has failed already, so trouble in the block is a warning and no more."""
        try:
            yield
        except Exception as error:  # noqa: BLE001  (a failing disk, or a bug in tidying up: the result of the change counts)
            self.warn(f"{not_done}: {in_words(error)}")

    @contextmanager
    def committed(self, ctx: Context) -> Iterator[None]:
        """For an apply or rollback: once its versions are the running ones, a ledger that takes nothing more is a warning."""
        try:
            yield
        except (NoSpace, CannotWrite, PermissionRefused) as error:
            if not _is_committed(ctx):
                raise
            self.warn(f"the change is done, but not yet recorded as finished; the next command or the agent completes it: {error}")


@contextmanager
def operation(ctx: Context, ticket: OrderTicket, policy: ApplyPolicy | None = None) -> Iterator[Running]:
    """Hold the operator lock for the block. Recovers from a crash first; afterwards removes images that no kept revision needs.

    `ticket.command` names this change to a command that finds the lock taken; `policy` limits the recovery too. Raises Locked.
    """
    lock, announced = private_folder(ctx.settings.state_dir) / "lock", set()

    def patience(by: Mapping[str, Any]) -> float:
        """What the agent does ends by itself, so it is waited for instead of refused."""
        command = str(by.get("command"))
        if ticket.lock_wait or not command.startswith(AGENT):
            return ticket.lock_wait
        if command not in announced:
            announced.add(command)
            ctx.progress(Note(f"waiting for the {command}"))
        return ctx.timings.lock_wait_command

    _renew_lead(ctx)
    recovering = replace(ctx, actor=ticket.recovered_by or ctx.actor)
    with exclusive(lock, command=ticket.command, wait=patience):
        end_rehearsal(ctx)
        recovered = recovery.recover(recovering, policy or policy_of(ctx.settings))
        settled = hooks.settle(recovering)
        running = Running(recovered, (*recovered.reports, *settled.reports), recovered.applied | settled.applied)
        yield running
        free_images(ctx, running)
        with running.afterwards("older history was not sealed"):
            archive.seal(ctx.ledger, ctx.settings.history.keep)


def _renew_lead(ctx: Context) -> None:
    """Raises LeadElsewhere before anything is recorded. Whether the cluster answers is for the change to say: not each needs it."""
    from kelvin_provision.leading import identity, lease

    if identity.read(ctx.settings.state_dir) is None:
        return
    try:
        lease.renew(ctx.settings.state_dir, ctx.cluster)
    except LeadElsewhere:
        raise
    except ProvisionError as error:
        ctx.progress(Note(f"the lease of the cluster was not renewed: {error}"))


def seal_history(ctx: Context) -> None:
    """Move older lines of the history into files where that is due. Raises Locked where a change is under way, HistoryBroken."""
    keep = ctx.settings.history.keep
    if archive.is_due(ctx.ledger, keep):
        with exclusive(private_folder(ctx.settings.state_dir) / "lock", command=f"{AGENT} sealing older history"):
            archive.seal(ctx.ledger, keep)


def free_images(ctx: Context, running: Running) -> int:
    """Remove images that no kept revision needs; returns the bytes freed in the store. Errors become warnings: the change is done."""
    freed = 0
    with running.afterwards(_NOT_FREED):
        freed = collect_garbage(ctx.ledger, ctx.store, lambda: ctx.runtime)
    return freed  # noqa: RET504  (the block may end with an error, which `afterwards` makes a warning)


def look(ctx: Context, running: Running, names: Sequence[str]) -> None:
    """Observe what a change has left on the cluster, whether it succeeded or not."""
    with running.afterwards("the new state of the workloads was not recorded"):
        observe(ctx, names)


@contextmanager
def refusal_recorded(ctx: Context, kind: OperationKind, revisions: Sequence[Revision]) -> Iterator[None]:
    """An error that ends the block is kept in the history with its evidence, as the refusal of these revisions. It is masked already."""
    try:
        yield
    except ProvisionError as error:
        with suppress(ProvisionError):  # a full disk must not hide why it was refused
            history.record_refused(ctx.ledger, revisions, kind, str(error), error.evidence, actor=ctx.actor)
        raise


def interrupted(ctx: Context) -> bool:
    """Whether an operation is open: left by a crash, or under way in another process (then `operation` raises Locked)."""
    try:
        return journal.unfinished(ctx.ledger) is not None or hooks.owed(ctx.ledger)
    except StateDamaged:  # its record cannot be read; a ledger that cannot be read at all says so again under the lock
        return True


def describe_unfinished(ctx: Context) -> str:
    """What happens to the change that was cut off, in words; empty where there is none."""
    if not ctx.connections.has_ledger or (change := journal.unfinished(ctx.ledger)) is None:
        return ""
    names = ", ".join(step.workload for step in change.steps)
    if change.phase in {Phase.FINISHING, Phase.REMOVING}:
        end = "finishes it"
    else:
        end = "undoes it" if change.on_failure is OnFailure.ROLL_BACK or change.phase is Phase.UNDOING else "leaves everything as it is"
    return f"the {change.kind} of {names} is unfinished; the next command or the agent {end}"


def _is_committed(ctx: Context) -> bool:
    with suppress(ProvisionError):
        change = journal.unfinished(ctx.ledger)
        return change is not None and change.phase is Phase.FINISHING
    return False


def command_line(verb: str, names: Sequence[str]) -> str:
    """The name of a change in the operator lock."""
    return " ".join(["workloads", verb, *(f"-n {name}" for name in names)]) if names else f"workloads {verb} --all"
