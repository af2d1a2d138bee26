"""How the link to the registries may be used: how fast, how wide, at which hours and how much a day. It outlives single downloads."""

from __future__ import annotations

from dataclasses import dataclass, field

from kelvin_provision.ops.allowance import Allowance
from kelvin_provision.ops.pace import Pace
from kelvin_provision.ops.width import Width

MOST = 4
"""Transfers at a time when nothing is set. More bring a box nothing: four keep its cores busy hashing, and registries count connections."""


@dataclass(frozen=True)
class Link:
    """Without limits, unless told."""

    pace: Pace = field(default_factory=Pace)
    allowance: Allowance = field(default_factory=Allowance)
    width: Width = field(default_factory=lambda: Width(MOST))
