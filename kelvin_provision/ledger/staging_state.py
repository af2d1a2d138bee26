"""How far a staged revision is, and what each event makes of that. The only place that decides it; `Ledger.advance` stores it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from kelvin_provision.errors import ProvisionError, VersionRevoked
from kelvin_provision.spec.enums import Download
from kelvin_provision.wait_reason import WaitKind, WaitReason


@dataclass(frozen=True)
class StagingState:
    """`failure` is why the last attempt to download or to apply ended; `blocked` means that it waits for a person, not for time."""

    download: Download
    failure: str | None = None
    blocked: bool = False
    waiting: WaitReason | None = None

    @property
    def refused(self) -> bool:
        """Whether the cluster would refuse it as it is; a failure that does not block it leaves that as it is."""
        return self.waiting is not None and self.waiting.kind is WaitKind.REFUSED

    @property
    def by_name_only(self) -> bool:
        """Whether it would be refused, or was rolled back."""
        return self.waiting is not None and self.waiting.kind in {WaitKind.REFUSED, WaitKind.ROLLED_BACK}

    @property
    def revoked(self) -> bool:
        return self.waiting is not None and self.waiting.kind is WaitKind.REVOKED

    @property
    def left_out(self) -> bool:
        """Whether an apply of everything leaves it out."""
        return self.blocked or self.refused


@dataclass(frozen=True)
class Received:
    """The agent takes it, or must take it again because a part of it was lost."""


@dataclass(frozen=True)
class Resolving:
    """Its images are being looked up."""


@dataclass(frozen=True)
class Downloading:
    """Its images are being downloaded or imported."""


@dataclass(frozen=True)
class Progressed:
    """The first bytes have arrived since the last trouble."""


@dataclass(frozen=True)
class Ready:
    """All of it is on this box. `refused`: why the cluster refuses it in a dry run; empty where it does not, or was not asked.

    `nodes`: what other nodes lack that are not waited for.
    """

    refused: str = ""
    nodes: WaitReason | None = None


@dataclass(frozen=True)
class Tried:
    """A version that is ready was part of a dry run. `refused` as with Ready; nothing that happened to it meanwhile is changed."""

    refused: str = ""


@dataclass(frozen=True)
class Spread:
    """What other nodes lack of a version that is ready; None where they have all of it."""

    nodes: WaitReason | None


@dataclass(frozen=True)
class Waiting:
    """Nothing can be done for it now, and what keeps it ends without a person's correction."""

    reason: WaitReason


@dataclass(frozen=True)
class StagingFailed:
    """It cannot be downloaded or imported, whatever time goes by."""

    cause: str


@dataclass(frozen=True)
class ApplyFailed:
    """It was refused by the plan, or did not come up. `blocks`: it must not be tried again before a person says so."""

    cause: str
    blocks: bool


@dataclass(frozen=True)
class ApplyMissed:
    """It was to be applied at a time that has passed."""

    cause: str


@dataclass(frozen=True)
class RolledBack:
    """It had been left on the cluster although it did not come up, and a rollback took it from there."""

    cause: str


@dataclass(frozen=True)
class TakenBack:
    """It ran, and a rollback took it off the cluster: no version of its workload had run before. `version` is its own."""

    version: str


@dataclass(frozen=True)
class Revoked:
    """What vouched for it is revoked, or an image of it. Also of a version that runs, or ran before: it is not brought up again."""

    reason: str


@dataclass(frozen=True)
class Unrevoked:
    """A later trust document does not revoke it any more."""


Event = (
    Received
    | Resolving
    | Downloading
    | Progressed
    | Ready
    | Tried
    | Spread
    | Waiting
    | StagingFailed
    | ApplyFailed
    | ApplyMissed
    | RolledBack
    | TakenBack
    | Revoked
    | Unrevoked
)


def transition(state: StagingState, event: Event) -> StagingState:  # noqa: C901, PLR0911, PLR0912  (a table: one line for each event)
    """The state after the event. Where it says the same as before, it is the same."""
    if state.revoked or isinstance(event, Revoked | Unrevoked):
        return _of_revocation(state, event)
    match event:
        case Received():
            return StagingState(Download.RECEIVED)
        case Resolving():
            return replace(state, download=Download.PROCESSING)  # the cause of the last attempt is shown until there is progress
        case Downloading():
            return replace(state, download=Download.DOWNLOADING)
        case Progressed():
            return replace(state, failure=None, waiting=None)
        case Ready():
            return StagingState(Download.READY, waiting=_refusal(event.refused) or event.nodes)
        case Tried():
            return _tried(state, event)
        case Spread():
            return _spread(state, event)
        case Waiting():
            return state if state.blocked else replace(state, failure=None, waiting=event.reason)
        case StagingFailed():
            return StagingState(Download.FAILED, event.cause, blocked=True)
        case ApplyFailed():
            return _failed(state, event.cause, blocked=event.blocks, tried=event.blocks)
        case ApplyMissed() | RolledBack():
            return _failed(state, event.cause, blocked=state.blocked, tried=False)
        case TakenBack():
            return StagingState(state.download, blocked=True, waiting=WaitReason(WaitKind.ROLLED_BACK, f"version {event.version}"))


def _of_revocation(state: StagingState, event: Event) -> StagingState:
    """Nothing else changes what is revoked."""
    if isinstance(event, Revoked):
        return StagingState(state.download, blocked=True, waiting=WaitReason(WaitKind.REVOKED, event.reason))
    if not isinstance(event, Unrevoked) or not state.revoked:
        return state
    return StagingState(state.download if state.download is Download.READY else Download.RECEIVED)


def _failed(state: StagingState, cause: str, *, blocked: bool, tried: bool) -> StagingState:
    """One that is applied only by its name stays so, unless it was tried on the cluster."""
    if state.by_name_only and not tried:
        return replace(state, failure=cause)
    return StagingState(state.download, cause, blocked)


def _tried(state: StagingState, event: Tried) -> StagingState:
    if state.download is not Download.READY or state.blocked or (state.failure is not None and not state.refused):
        return state
    other = None if state.refused else state.waiting
    return replace(state, waiting=_refusal(event.refused) or other)


def _spread(state: StagingState, event: Spread) -> StagingState:
    """What keeps it, or will keep it, is said first."""
    quiet = state.waiting is None or state.waiting.kind is WaitKind.NODES
    return replace(state, waiting=event.nodes) if quiet and state.download is Download.READY else state


def _refusal(text: str) -> WaitReason | None:
    return WaitReason(WaitKind.REFUSED, text) if text else None


def of_error(error: ProvisionError) -> Waiting | StagingFailed | Revoked:
    """What an error that ended an attempt at staging means for it.

    Troubles of this box say nothing of the images: they are waited out, and so is what has a reason to wait.
    """
    if isinstance(error, VersionRevoked):
        return Revoked(error.wait_reason.detail if error.wait_reason else str(error))
    waits = error.temporary or error.of_box or error.wait_reason is not None
    return Waiting(reason_of(error)) if waits else StagingFailed(text_of(error))


def reason_of(error: ProvisionError) -> WaitReason:
    """Why what this error has ended waits now."""
    return error.wait_reason or WaitReason(WaitKind.of_error(error.code), text_of(error))


def text_of(error: ProvisionError) -> str:
    """With the last line of its evidence, which is the nearest to the cause."""
    return f"{error} ({error.evidence[-1]})" if error.evidence else str(error)
