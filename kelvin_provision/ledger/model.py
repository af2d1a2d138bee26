"""What the ledger hands out: frozen rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from kelvin_provision.spec.enums import Download
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.workload import Object, Spec
from kelvin_provision.status import Doing, Hold, Observation, Situation, Slot


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
    error: str | None = None
    blocked: bool = False
    applied: int | None = None
    """The operation that last brought it up; None when it never was. Later operations have higher numbers, whatever the clock says."""

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
        return Slot(self.spec.method, self.download, self.error, self.blocked)


@dataclass(frozen=True)
class ScheduledApply:
    """Staged revisions that the agent is to apply at a time, as one transaction. All times are RFC 3339 in UTC.

    `note` is what keeps the agent from it, once it is due. `members` are workloads with the numbers of their revisions: it stands
    only while all of them are staged.
    """

    id: int
    at: str
    made: str
    who: str
    forced: bool
    members: tuple[tuple[str, int], ...]
    note: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The workloads."""
        return tuple(name for name, _ in self.members)

    def stands(self, staged: Mapping[str, int | None]) -> bool:
        """Whether what it is about is still what is staged."""
        return all(staged.get(name) == number for name, number in self.members)

    def __str__(self) -> str:
        return f"apply at {self.at}, asked for by {self.who}{f'; waits: {self.note}' if self.note else ''}"


@dataclass(frozen=True)
class Workload:
    """A workload with its two slots, what was last seen of it, and what is being done to it. `held` is by a person, here."""

    name: str
    title: str
    enabled: bool
    created: str
    updated: str
    running: Revision | None
    staged: Revision | None
    observation: Observation | None
    doing: Doing | None
    held: Hold | None = None
    appointment: ScheduledApply | None = None

    @property
    def holds(self) -> tuple[Hold, ...]:
        """All who ask that it is not changed."""
        own = self.observation.hold if self.observation else None
        return tuple(hold for hold in (self.held, own) if hold)

    @property
    def situation(self) -> Situation:
        """Everything that its state is derived from."""
        return Situation(
            self.running is not None,
            self.staged.slot if self.staged else None,
            self.doing,
            self.observation,
            self.holds,
            str(self.appointment) if self.appointment else "",
        )

    @property
    def shown(self) -> Revision:
        """The revision whose app and version stand at the top level: the running one, else the staged one."""
        found = self.running or self.staged
        assert found is not None, self.name  # noqa: S101  (a row without either is deleted in the same transaction)
        return found


class Phase(StrEnum):
    """How far an operation is. Before FINISHING it is undone after a crash, from then on it is finished.

    LEFT: it failed and was left as it is, as asked; only a closed operation is that.
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


class Care(StrEnum):
    """What was asked for should a new version not come up; journaled, so that recovery keeps to it."""

    BACK = "back"
    """Wait; go back to what ran before."""
    LEAVE = "leave"
    """Wait; leave everything as it is."""
    BLIND = "blind"
    """Do not wait: nobody sees whether it comes up."""


@dataclass(frozen=True)
class Operation:
    """A journaled change of the cluster."""

    id: int
    kind: Doing
    phase: Phase
    steps: tuple[Step, ...]
    started: str
    care: Care = Care.BACK


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
