"""A workload, its revisions, and the rehearsal of the staged one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.observation import Hold, Observation
from kelvin_provision.spec.enums import Download
from kelvin_provision.spec.folded import foldable, reader, set_folded
from kelvin_provision.spec.lock import ImageLock, locks_from_json
from kelvin_provision.spec.workload import Object, Spec
from kelvin_provision.status import OperationKind, PendingOrder, RehearsalOutcome, Situation, Slot, Verb
from kelvin_provision.wait_reason import WaitKind, WaitReason, describe

if TYPE_CHECKING:
    from kelvin_provision.ledger.model.orders import Order
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
        from kelvin_provision.spec.images import local_names  # a list shows none

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

    def fold(self, *, locks: bytes | None, objects: bytes | None) -> None:
        """Keep the texts that it was just made from in place of these fields, see `spec.folded`."""
        set_folded(self, locks=locks, objects=objects)


foldable(Revision, locks=reader(locks_from_json), objects=reader(tuple))


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
