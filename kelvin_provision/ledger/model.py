"""Rows of the ledger as frozen values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING

from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.hashing import sha256_hex
from kelvin_provision.spec.enums import Download
from kelvin_provision.spec.images import local_names
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.workload import Object, Spec
from kelvin_provision.status import Hold, Observation, OperationKind, PendingOrder, RehearsalOutcome, Situation, Slot, Verb
from kelvin_provision.wait_reason import WaitKind, WaitReason, describe

if TYPE_CHECKING:
    from kelvin_provision.ledger.staging_state import StagingState


@dataclass(frozen=True)
class Signers:
    """Ids of the keys that signed a request, and the bundle that brought it; of what came before they were kept, the first 12 digits."""

    request: tuple[str, ...] = ()
    bundle: tuple[str, ...] = ()


@dataclass(frozen=True)
class Revision:
    """One accepted request. `locks` is None until its images are resolved, `objects` until it was rendered."""

    workload: str
    number: int
    batch: str
    created: str
    spec: Spec
    download: Download
    locks: tuple[ImageLock, ...] | None = None
    objects: tuple[Object, ...] | None = None
    failure: str | None = None
    blocked: bool = False
    waiting: WaitReason | None = None
    applied: int | None = None
    """The operation that last brought it up, or None. Later operations have higher numbers, whatever the clock says."""
    bundle: str | None = None
    """The digest of the bundle that brought it, or None."""
    signers: Signers = Signers()

    @property
    def staging(self) -> StagingState:
        from kelvin_provision.ledger.staging_state import StagingState  # who only reads needs none of its events

        return StagingState(self.download, self.failure, self.blocked, self.waiting)

    @property
    def cause(self) -> str | None:
        """The failure of the last attempt, or what it waits for, as text."""
        return self.failure or (describe(self.waiting) if self.waiting else None)

    @property
    def digest(self) -> str:
        """The manifest digest of its first image; empty where the cluster pulls it."""
        return self.locks[0].manifest.digest if self.locks else ""

    @property
    def local_names(self) -> dict[str, ImageLock]:
        """The names that its additional images must have in the runtime while it is the version on the cluster."""
        return local_names(self.spec, self.locks or ())

    @property
    def in_motion(self) -> bool:
        """Whether the agent still has work with it, as long as it is staged."""
        return self.slot.in_motion

    @property
    def revoked(self) -> str:
        """Why it must not be brought up any more, as the ledger has it; empty if it may be."""
        return self.waiting.detail if self.waiting and self.waiting.kind is WaitKind.REVOKED else ""

    @property
    def slot(self) -> Slot:
        """The part of it that status is derived from while it is staged."""
        return Slot(self.spec.method, self.download, self.failure, self.blocked, self.waiting)


_LETTERS = "FHKLMRWXYZ"
"""Of the code of an order: none looks like a digit, and no three of them are a word."""
Slots = Mapping[str, tuple[int | None, int | None]]
"""The numbers of the running and the staged revision by workload."""


@dataclass(frozen=True)
class Target:
    """A workload of an order, and the revision that the order means.

    Of an apply, a rehearsal, or an undeploy of what is staged: the staged one. Of a rollback to the version before: the one that it goes
    back from.
    Of any other order: the newest that had been accepted; what is staged or comes up later is not meant. None: whatever is there.
    """

    workload: str
    revision: int | None = None


def replaced(targets: Iterable[Target], numbers: Mapping[str, int | None]) -> tuple[str, ...]:
    """The workloads of which the revision by these numbers is another one than the target says."""
    return tuple(target.workload for target in targets if numbers.get(target.workload) != target.revision)


class Ending(StrEnum):
    """How an operation that failed has ended, as its lines of history say it."""

    UNDONE = "undone"
    UNDO_FAILED = "undo failed"
    LEFT = "failed, left as it is"


class Outcome(StrEnum):
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    MISSED = "missed"


@dataclass(frozen=True)
class Order:
    """A change that the agent is to carry out, at a time or as soon as possible (`at` is None). All times are RFC 3339 in UTC.

    While the order is pending, `note` says what it waits for; afterwards, why it ended as it did.
    """

    id: int
    key: str
    actor: str
    verb: Verb
    targets: tuple[Target, ...]
    arguments: Mapping[str, object]
    at: str | None
    asked: str
    begun: str | None = None
    ended: str | None = None
    operation: int | None = None
    outcome: Outcome | None = None
    note: str = ""
    evidence: tuple[str, ...] = ()

    @property
    def code(self) -> str:
        """Short, to be noted and read out over a telephone: its number, and letters that are others in the ledger of another box."""
        value = int(sha256_hex(f"{self.id} {self.key}".encode())[:8], 16)
        return f"{self.id}-{''.join(_LETTERS[value // 10**place % 10] for place in range(3))}"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(target.workload for target in self.targets)

    @property
    def forced(self) -> bool:
        return self.arguments.get("force") is True

    @property
    def everything(self) -> bool:
        """Whether it was ordered for all that was staged, so that it leaves out what has failed since."""
        return self.arguments.get("all") is True

    @property
    def pending(self) -> bool:
        return self.begun is None and self.ended is None

    @property
    def subject(self) -> str:
        """Its name in messages: `apply of pump, fan at 2026-11-24T02:00:00Z`."""
        return f"{self.verb} of {', '.join(self.names)}{f' at {self.at}' if self.at else ''}"

    @property
    def action(self) -> str:
        """Its action in the history."""
        return f"{self.verb} --at" if self.at else f"{self.verb} order"

    @property
    def of_staged(self) -> bool:
        """Whether it means staged revisions, and nothing else."""
        return self.verb in {Verb.APPLY, Verb.REHEARSE} or self.arguments.get("staged") is True

    def moved(self, slots: Slots) -> tuple[str, ...]:
        """Its workloads that it does not mean as they are now: another revision is staged, or one came up that was accepted later."""
        return tuple(target.workload for target in self.targets if self._moved(target, *slots.get(target.workload, (None, None))))

    def _moved(self, target: Target, running: int | None, staged: int | None) -> bool:
        if self.verb is Verb.APPLY:
            return staged != target.revision
        if target.revision is None:
            return False
        return staged != target.revision if self.of_staged else running is not None and running > target.revision

    def stands(self, slots: Slots) -> bool:
        """Whether it is still valid.

        An order is void as soon as one of its workloads has moved; only an undeploy of staged versions still applies to the others.
        """
        moved = self.moved(slots)
        return not moved or (self.verb is Verb.UNDEPLOY and self.of_staged and len(moved) < len(self.targets))

    def __str__(self) -> str:
        waits = f"; waits: {self.note}" if self.note else ""
        return f"{self.verb} at {self.at}, requested by {self.actor}{waits}" if self.at else f"{self.verb} requested by {self.actor}{waits}"


@dataclass(frozen=True)
class Rehearsal:
    """The newest rehearsal of a revision. `reason` is empty for one that went well."""

    workload: str
    revision: int
    began: str
    ended: str
    actor: str
    outcome: RehearsalOutcome
    reason: str = ""
    evidence: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.outcome}: {self.reason}" if self.reason else self.outcome.value


@dataclass(frozen=True)
class Workload:
    """A workload with its slots, last observation, open operation and pending orders. `held` is the hold that a person placed."""

    name: str
    title: str
    enabled: bool
    created: str
    updated: str
    running: Revision | None
    staged: Revision | None
    observation: Observation | None
    operation: OperationKind | None
    held: Hold | None = None
    orders: tuple[Order, ...] = ()
    rehearsal: Rehearsal | None = None
    """Of the staged revision."""

    @property
    def scheduled_apply(self) -> Order | None:
        """Its next scheduled apply."""
        return next((order for order in self.orders if order.verb is Verb.APPLY and order.at), None)

    @property
    def holds(self) -> tuple[Hold, ...]:
        """The hold of a person and the hold of the workload itself."""
        own = self.observation.hold if self.observation else None
        return tuple(hold for hold in (self.held, own) if hold)

    @property
    def situation(self) -> Situation:
        """What its state is derived from."""
        return Situation(
            self.running is not None,
            self.staged.slot if self.staged else None,
            self.operation,
            self.observation,
            self.holds,
            tuple(PendingOrder(order.verb, str(order), order.at is not None) for order in self.orders),
            self.running.revoked if self.running else "",
        )

    @property
    def shown(self) -> Revision:
        """The revision that stands for the workload: the running one, else the staged one."""
        revision = self.running or self.staged
        assert revision is not None, self.name  # noqa: S101  (a row without either is deleted in the same transaction)
        return revision


class Phase(StrEnum):
    """How far an operation is. After a crash it is undone before FINISHING, and finished from then on.

    LEFT: it failed and was kept, as requested; only closed operations have this phase.
    """

    APPLYING = "applying"
    UNDOING = "undoing"
    FINISHING = "finishing"
    REMOVING = "removing"
    LEFT = "left"


@dataclass(frozen=True)
class Step:
    """One workload of an operation: its running revision before and after.

    `scale`: names of objects (with the namespace, elsewhere) and numbers of replicas of what was scaled on the cluster before, so that a
    way back restores it.
    """

    workload: str
    before: int | None
    after: int | None
    scale: tuple[tuple[str, int], ...] = ()


class OnFailure(StrEnum):
    """What happens when a new version does not come up; stored in the journal, for recovery."""

    ROLL_BACK = "roll-back"
    KEEP = "keep"


@dataclass(frozen=True)
class FailureHandling:
    """How an apply treats new versions that do not come up. Without `wait` nothing checks whether they do."""

    on_failure: OnFailure = OnFailure.ROLL_BACK
    wait: bool = True


@dataclass(frozen=True)
class Operation:
    """A journaled change of the cluster."""

    id: int
    kind: OperationKind
    phase: Phase
    steps: tuple[Step, ...]
    started: str
    on_failure: OnFailure = OnFailure.ROLL_BACK
    wait: bool = True
    """Whether to wait until the new versions are up."""


@dataclass(frozen=True)
class Entry:
    """One line of the history. The ledger adds `version`, and the `digest` of the first image."""

    time: str
    who: str
    action: str
    workload: str
    revision: int | None
    outcome: str
    detail: str = ""
    version: str = ""
    digest: str = ""
    evidence: tuple[str, ...] = ()
    """Evidence of a failed attempt: events, container states, last log lines. The caller masks it; `evidence` bounds it."""
