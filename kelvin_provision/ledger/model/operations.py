"""Operations of the journal: what is being done to the cluster, how far it is, and the lines of history that it leaves."""

from __future__ import annotations

from enum import StrEnum

from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.status import OperationKind


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


class Ending(StrEnum):
    """How an operation that failed has ended, as its lines of history say it."""

    UNDONE = "undone"
    UNDO_FAILED = "undo failed"
    LEFT = "failed, left as it is"
