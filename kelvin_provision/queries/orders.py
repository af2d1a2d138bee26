"""Orders as JSON: changes that the agent is to carry out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kelvin_provision.ledger.model import Order


def order_to_json(order: Order) -> dict[str, Any]:
    """`note` says what a pending order waits for, and why an ended one ended as it did."""
    return {
        "id": order.id,
        "verb": order.verb.value,
        "names": list(order.names),
        "actor": order.actor,
        "at": order.at,
        "asked": order.asked,
        "begun": order.begun,
        "ended": order.ended,
        "outcome": order.outcome.value if order.outcome else None,
        "note": order.note,
    }
