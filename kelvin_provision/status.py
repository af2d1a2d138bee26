"""The state of a workload, derived and never stored: one pure function of slots, download, operation and observation."""

from __future__ import annotations

from dataclasses import field, replace
from enum import StrEnum

from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.observation import Hold, Observation, Observed
from kelvin_provision.spec.enums import Download, Method, State
from kelvin_provision.wait_reason import WaitKind, WaitReason, describe


class RehearsalOutcome(StrEnum):
    """How the rehearsal of a staged version went. `not possible` proves nothing, neither way; `ended` was cut short by a change."""

    OK = "ok"
    FAILED = "failed"
    NOT_POSSIBLE = "not possible"
    ENDED = "ended"


class OperationKind(StrEnum):
    """What a journaled change does to its workloads."""

    APPLY = "apply"
    ROLLBACK = "rollback"
    START = "start"
    STOP = "stop"
    UNDEPLOY = "undeploy"


class Verb(StrEnum):
    """What an order asks the agent to do."""

    DEPLOY = "deploy"
    APPLY = "apply"
    ROLLBACK = "rollback"
    START = "start"
    STOP = "stop"
    UNDEPLOY = "undeploy"
    HOLD = "hold"
    RELEASE = "release"
    PRUNE = "prune"
    REHEARSE = "rehearse"


@dataclass(frozen=True)
class PendingOrder:
    """An order that the agent has not begun: its verb, the order in words, and whether it is for a time."""

    verb: Verb
    text: str
    scheduled: bool = False


class Trouble(StrEnum):
    """Why a staged version is not applied by itself or with all others."""

    STAGING_FAILED = "staging failed"
    APPLY_FAILED = "apply failed"
    REFUSED = "refused"
    ROLLED_BACK = "rolled back"
    REVOKED = "revoked"


@dataclass(frozen=True)
class Slot:
    """What status needs to know of the staged revision."""

    method: Method
    download: Download
    failure: str | None = None
    """Why the last attempt to download or to apply it ended."""
    blocked: bool = False
    """Whether it is not tried again before a person says so."""
    waiting: WaitReason | None = None

    @property
    def failed(self) -> bool:
        """Whether it is given up: it cannot be staged, or was to apply itself and did not come up.

        One that waits for `workloads apply` stays complete after a failed apply, and is kept so.
        """
        return self.blocked and (self.method.instantly_apply or self.download is Download.FAILED)

    @property
    def in_motion(self) -> bool:
        """Whether the agent still has work with it, as long as it is staged."""
        return not self.blocked and (self.method.instantly_apply or self.download is not Download.READY)

    @property
    def refused(self) -> bool:
        """Whether it is on this box and the cluster would refuse it as it is."""
        return self.waiting is not None and self.waiting.kind is WaitKind.REFUSED

    @property
    def trouble(self) -> Trouble | None:
        """What an apply of everything leaves it out for, if anything. What is revoked is not applied by its name either."""
        if self.waiting and self.waiting.kind is WaitKind.REVOKED:
            return Trouble.REVOKED
        if self.download is Download.FAILED and self.method.staged:
            return Trouble.STAGING_FAILED
        if self.waiting and self.waiting.kind is WaitKind.ROLLED_BACK:
            return Trouble.ROLLED_BACK
        if self.blocked and (self.download is Download.READY or not self.method.staged):
            return Trouble.APPLY_FAILED
        return Trouble.REFUSED if self.refused else None

    @property
    def warnings(self) -> tuple[str, ...]:
        causes = (self.failure, describe(self.waiting) if self.waiting else None)
        return tuple(cause for cause in causes if cause)


@dataclass(frozen=True)
class Situation:
    """Everything that the state is derived from. `revoked` says why the version that runs is, if it is: it goes on running."""

    running: bool = False
    staged: Slot | None = None
    operation: OperationKind | None = None
    observation: Observation | None = None
    holds: tuple[Hold, ...] = ()
    orders: tuple[PendingOrder, ...] = ()
    """In the order in which they will be carried out."""
    revoked: str = ""


@dataclass(frozen=True)
class Status:
    """`status` of the platform's JSON."""

    state: State
    warnings: tuple[str, ...] = field(default=())
    last_seen: str | None = None

    @property
    def message(self) -> str:
        """The state in words."""
        return self.state.message


_UNDER_WAY = {
    OperationKind.APPLY: State.DEPLOYING,
    OperationKind.ROLLBACK: State.DEPLOYING,
    OperationKind.START: State.STARTING,
    OperationKind.STOP: State.STOPPING,
    OperationKind.UNDEPLOY: State.STOPPING,
}
_SEEN = {
    Observed.ABSENT: State.FAILED,
    Observed.DEPLOYING: State.DEPLOYING,
    Observed.STARTING: State.STARTING,
    Observed.RUNNING: State.RUNNING,
    Observed.STOPPING: State.STOPPING,
    Observed.STOPPED: State.STOPPED,
    Observed.FAILED: State.FAILED,
}
_STAGED = {
    Download.PENDING: State.RECEIVED,
    Download.RECEIVED: State.RECEIVED,
    Download.PROCESSING: State.RECEIVED,
    Download.DOWNLOADING: State.DOWNLOADING,
    Download.READY: State.READY,
    Download.FAILED: State.FAILED,
}


_AT_REST = {State.RUNNING, State.STOPPED, State.FAILED}
_PENDING = {
    Verb.APPLY: (State.PENDING_APPLY, {State.RUNNING, State.STAGED}),
    Verb.ROLLBACK: (State.PENDING_APPLY, _AT_REST),
    Verb.START: (State.PENDING_START, _AT_REST),
    Verb.STOP: (State.PENDING_STOP, _AT_REST),
    Verb.UNDEPLOY: (State.PENDING_STOP, _AT_REST | {State.STAGED}),
}
"""What a workload is while the first of its orders is pending, and the states that this stands in front of.

An order for a time is planned: until then, the state is what runs.
"""


def derive(now: Situation) -> Status:
    """The state of the workload itself (DESIGN section 5). What is under way wins over what was asked, and that over what was seen.

    While a version runs, a staged one that is still downloading, or has a time, does not change it.
    """
    seen = now.observation.seen if now.observation else None
    staging = now.staged.warnings if now.staged else ()
    revoked = (f"the version that runs is revoked: {now.revoked}",) if now.revoked else ()
    notes = (*revoked, *staging, *(order.text for order in now.orders), *map(str, now.holds))
    if now.operation:
        return Status(_UNDER_WAY[now.operation], (), seen)
    if now.running and now.observation and not now.observation.reachable:
        return Status(State.UNREACHABLE, (*now.observation.warnings, *notes), seen)
    if now.staged and now.staged.method.instantly_apply and not now.staged.blocked and not (now.running and now.staged.method.staged):
        waiting = State.PENDING_DEPLOY if now.staged.download is Download.PENDING else State.RECEIVED
        return Status(waiting, notes, seen)
    return _pending(_at_rest(now, notes, seen), now.orders)


def _pending(status: Status, orders: tuple[PendingOrder, ...]) -> Status:
    for order in orders:
        if order.verb in _PENDING and not order.scheduled:
            state, covered = _PENDING[order.verb]
            return replace(status, state=state) if status.state in covered else status
    return status


def _at_rest(now: Situation, notes: tuple[str, ...], seen: str | None) -> Status:
    """While no operation is under way."""
    if now.running:
        return _of_observation(now.observation, notes)
    if now.staged and now.staged.method.instantly_apply and now.staged.trouble is not Trouble.ROLLED_BACK:
        return Status(State.FAILED, notes or ("it did not come up",), seen)
    return Status(State.STAGED, notes, seen)


def _of_observation(observation: Observation | None, notes: tuple[str, ...]) -> Status:
    """A running revision was seen up once, so without a later look it counts as running."""
    if observation is None:
        return Status(State.RUNNING, notes)
    warnings = (*observation.warnings, *notes)
    if observation.observed is Observed.ABSENT:
        warnings = ("it is not on the cluster any more: another client removed it", *warnings)
    state = _SEEN[observation.observed]
    if state is State.FAILED and not warnings:
        warnings = ("the cluster gives no reason",)
    return Status(state, warnings, observation.seen)


def of_staged(slot: Slot) -> Status:
    """`staged.status`: `processing` never appears here, the platform's own clients cannot read it (KELVIN section 2.3)."""
    failed = slot.trouble is not Trouble.ROLLED_BACK and (slot.failed or slot.trouble)
    return Status(State.FAILED if failed else _STAGED[slot.download], slot.warnings)
