"""How the link to the registries may be used: at what rate, with how many transfers, at which hours and how much a day."""

from __future__ import annotations

from dataclasses import dataclass, field

from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.settings.model import DownloadSettings
from kelvin_provision.staging.limits.adaptive import AdaptiveConcurrency
from kelvin_provision.staging.limits.budget import Budget
from kelvin_provision.staging.limits.policy import DownloadPolicy
from kelvin_provision.staging.limits.rate import RateLimit

MAX_TRANSFERS = 4
"""When `download.parallel` is not set. More bring nothing: four keep the cores of a box busy hashing, and registries count connections."""


@dataclass(frozen=True)
class TransferLimits:
    """By default, none but the number of transfers. Outlives single downloads: what was learned of the link stays."""

    rate: RateLimit = field(default_factory=RateLimit)
    policy: DownloadPolicy = field(default_factory=DownloadPolicy)
    concurrency: AdaptiveConcurrency = field(default_factory=lambda: AdaptiveConcurrency(MAX_TRANSFERS))
    parallel: int | None = None
    """A fixed number of transfers in place of `concurrency`."""

    @property
    def max_transfers(self) -> int:
        return self.parallel or MAX_TRANSFERS


def limits_of(settings: DownloadSettings, ledger: Ledger) -> TransferLimits:
    """As the settings say; what is used of the day's budget is kept in the ledger."""
    budget = Budget(settings.budget, ledger) if settings.budget else None
    return TransferLimits(RateLimit(settings.rate), DownloadPolicy(settings.window, budget), parallel=settings.parallel)
