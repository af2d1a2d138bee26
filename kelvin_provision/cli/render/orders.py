"""Orders for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kelvin_provision import timestamps
from kelvin_provision.cli.frame.times import shown

if TYPE_CHECKING:
    from kelvin_provision.ledger.model import Order


def describe_time(order: Order) -> str:
    return shown(timestamps.parse(order.at)) if order.at else "as soon as possible"
