"""Rows of the ledger as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from kelvin_provision.spec.enums import Download
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.workload import Object, Spec
from kelvin_provision.status import Hold, Observation, OperationKind, PendingOrder, Situation, Slot, Verb
from kelvin_provision.wait_reason import WaitReason, describe

if TYPE_CHECKING:
    from kelvin_provision.ledger.staging_state import StagingState


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
    """The operation that last brought it up; None when it never was. Later operations have higher numbers, whatever the clock says."""

    @property
    def staging(self) -> StagingState:
        from kelvin_provision.ledger.staging_state import StagingState  # who only reads needs none of its events

        return StagingState(self.download, self.failure, self.blocked, self.waiting)

    @property
    def cause(self) -> str | None:
        """Why it is no further, in words: the failure of the last attempt, or what it waits for."""
        return self.failure or (describe(self.waiting) if self.waiting else None)

    @property
    def digest(self) -> str:
        """The manifest digest of its first image; empty where the cluster pulls it."""
        return self.locks[0].manifest.digest if self.locks else ""

    @property
    def in_motion(self) -> bool:
        """Whether, while it is staged, the agent still has something to do for it."""
        return not self.blocked and (self.spec.method.instantly_apply or self.download is not Download.READY)

    @property
    def slot(self) -> Slot:
        """What status needs to know of it while it is staged."""
        return Slot(self.spec.method, self.download, self.failure, self.blocked, self.waiting)


@dataclass(frozen=True)
class Target:
    """A workload that an order is about. `revision` is the staged one that an apply means; None for the other verbs."""

    workload: str
    revision: int | None = None


class Outcome(StrEnum):
    """How an order ended."""

    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    MISSED = "missed"


@dataclass(frozen=True)
class Order:
    """A change that the agent is to carry out, at a time or as soon as possible (`at` is None). All times are RFC 3339 in UTC.

    `note` says what keeps the agent from it while it is pending, and why it ended as it did afterwards.
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
    def names(self) -> tuple[str, ...]:
        return tuple(target.workload for target in self.targets)

    @property
    def forced(self) -> bool:
        return self.arguments.get("force") is True

    @property
    def pending(self) -> bool:
        return self.begun is None and self.ended is None

    @property
    def subject(self) -> str:
        """As a message names it: `apply of pump, fan at 2026-11-24T02:00:00Z`."""
        return f"{self.verb} of {', '.join(self.names)}{f' at {self.at}' if self.at else ''}"

    @property
    def action(self) -> str:
        """The word for it in the history."""
        return f"{self.verb} --at" if self.at else f"{self.verb} order"

    def stands(self, staged: Mapping[str, int | None]) -> bool:
        """Whether it still means what it meant: an apply names revisions, which must be the staged ones."""
        return self.verb is not Verb.APPLY or all(staged.get(target.workload) == target.revision for target in self.targets)

    def __str__(self) -> str:
        waits = f"; waits: {self.note}" if self.note else ""
        return f"{self.verb} at {self.at}, asked for by {self.actor}{waits}" if self.at else f"{self.verb} asked for by {self.actor}{waits}"


@dataclass(frozen=True)
class Workload:
    """A workload with its two slots, its last observation, the operation under way and its pending orders. `held` is by a person, here."""

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

    @property
    def scheduled_apply(self) -> Order | None:
        """The next apply of its staged revision that was asked for at a time."""
        return next((order for order in self.orders if order.verb is Verb.APPLY and order.at), None)

    @property
    def holds(self) -> tuple[Hold, ...]:
        """The person's hold and the workload's own."""
        own = self.observation.hold if self.observation else None
        return tuple(hold for hold in (self.held, own) if hold)

    @property
    def situation(self) -> Situation:
        """Everything that its state is derived from."""
        return Situation(
            self.running is not None,
            self.staged.slot if self.staged else None,
            self.operation,
            self.observation,
            self.holds,
            tuple(PendingOrder(order.verb, str(order)) for order in self.orders),
        )

    @property
    def shown(self) -> Revision:
        """The revision whose app and version stand at the top level: the running one, else the staged one."""
        revision = self.running or self.staged
        assert revision is not None, self.name  # noqa: S101  (a row without either is deleted in the same transaction)
        return revision


class Phase(StrEnum):
    """How far an operation is. Before FINISHING it is undone after a crash, from then on it is finished.

    LEFT: it failed and was kept as it is, as requested; only a closed operation has this phase.
    """

    APPLYING = "applying"
    UNDOING = "undoing"
    FINISHING = "finishing"
    REMOVING = "removing"
    LEFT = "left"


@dataclass(frozen=True)
class Step:
    """One workload of an operation: from which running revision to which."""

    workload: str
    before: int | None
    after: int | None


class OnFailure(StrEnum):
    """What happens when a new version does not come up; journaled, so that recovery keeps to it."""

    ROLL_BACK = "roll-back"
    KEEP = "keep"


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
    """Whether it is waited for until the new versions are up."""


@dataclass(frozen=True)
class Entry:
    """One line of the history. `version` and `digest` (of the first image) are noted by the ledger while it knows the revision."""

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
    """What was gathered at a failed attempt: events, container states, last log lines. The caller masks it; `evidence` bounds it."""
