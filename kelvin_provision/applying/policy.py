"""How long an apply and its undo may take, and what happens when a new version does not come up."""

from __future__ import annotations

from dataclasses import dataclass

from kelvin_provision.cluster.health import WaitPolicy
from kelvin_provision.ledger.model.operations import OnFailure
from kelvin_provision.settings.model import Settings


@dataclass(frozen=True)
class ApplyPolicy:
    """`forward` limits the wait for new versions, `back` the wait during an undo; `keep` is the number of kept revisions."""

    forward: WaitPolicy
    back: WaitPolicy
    keep: int
    on_failure: OnFailure = OnFailure.ROLL_BACK
    wait: bool = True
    """Whether to wait until the new versions are up."""


def policy_of(settings: Settings, timeout: float | None = None, rollback_timeout: float | None = None) -> ApplyPolicy:
    """The settings, with the given timeouts instead of theirs."""
    limits = settings.apply
    return ApplyPolicy(
        forward=WaitPolicy(timeout=timeout or limits.timeout, settle=limits.settle),
        back=WaitPolicy(timeout=rollback_timeout or limits.rollback_timeout, settle=limits.settle),
        keep=settings.keep_revisions,
    )
