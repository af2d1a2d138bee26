"""Pending orders for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kelvin_provision import timestamps
from kelvin_provision.local_times import shown
from kelvin_provision.naming import listed

if TYPE_CHECKING:
    from kelvin_provision.ledger.model.orders import Order


def describe(order: Order) -> str:
    """`apply pump, fan at 2026-11-24 02:00+00:00, requested by anna; waits: held`."""
    time = f" at {describe_time(order)}" if order.at else ""
    return f"{order.verb} {listed(order.names)}{time}, requested by {order.actor}{_note(order)}"


def describe_for(order: Order, name: str) -> str:
    """The same without the verb and this workload: `2026-11-24 02:00+00:00, requested by anna, together with fan`."""
    others = [other for other in order.names if other != name]
    together = f", together with {listed(others)}" if others else ""
    return f"{describe_time(order)}, requested by {order.actor}{together}{_note(order)}"


def describe_time(order: Order) -> str:
    return shown(timestamps.parse(order.at)) if order.at else "as soon as possible"


def _note(order: Order) -> str:
    return f"; waits: {order.note}" if order.note else ""
