"""How long an apply and its undo may take, and what happens when a new version does not come up."""

from __future__ import annotations

from dataclasses import dataclass

from kelvin_provision.cluster.protocol import WaitPolicy
from kelvin_provision.ledger.model import OnFailure
from kelvin_provision.settings.model import Settings


@dataclass(frozen=True)
class ApplyPolicy:
    """`forward` limits the wait for new versions, `back` that for the old ones during an undo; `keep` counts revisions."""

    forward: WaitPolicy
    back: WaitPolicy
    keep: int
    on_failure: OnFailure = OnFailure.ROLL_BACK
    wait: bool = True
    """Whether to wait until the new versions are up."""


def policy_of(settings: Settings, timeout: float | None = None, rollback_timeout: float | None = None) -> ApplyPolicy:
    """As the settings say, but for the timeouts that are given."""
    limits = settings.apply
    return ApplyPolicy(
        forward=WaitPolicy(timeout=timeout or limits.timeout, settle=limits.settle),
        back=WaitPolicy(timeout=rollback_timeout or limits.rollback_timeout, settle=limits.settle),
        keep=settings.keep_revisions,
    )
