"""How the link to the registries may be used: how fast, how wide, at which hours and how much a day. It outlives single downloads."""

from __future__ import annotations

from dataclasses import dataclass, field

from kelvin_provision.staging.limits.adaptive import AdaptiveConcurrency
from kelvin_provision.staging.limits.rate import RateLimit
from kelvin_provision.staging.limits.window import Allowance

MOST = 4
"""Transfers at a time when nothing is set. More bring a box nothing: four keep its cores busy hashing, and registries count connections."""


@dataclass(frozen=True)
class TransferLimits:
    """Without limits, unless told."""

    pace: RateLimit = field(default_factory=RateLimit)
    allowance: Allowance = field(default_factory=Allowance)
    width: AdaptiveConcurrency = field(default_factory=lambda: AdaptiveConcurrency(MOST))
