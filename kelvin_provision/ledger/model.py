"""What the ledger hands out: frozen rows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.words import Download
from kelvin_provision.spec.workload import Object, Spec
from kelvin_provision.status import Doing, Observation, Situation, Slot


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
class Workload:
    """A workload with its two slots, what was last seen of it, and what is being done to it."""

    name: str
    title: str
    enabled: bool
    created: str
    updated: str
    running: Revision | None
    staged: Revision | None
    observation: Observation | None
    doing: Doing | None

    @property
    def situation(self) -> Situation:
        """Everything that its state is derived from."""
        return Situation(self.running is not None, self.staged.slot if self.staged else None, self.doing, self.observation)

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
