"""Bytes downloaded each day, local time: what the day's budget is counted by. And those that deltas have saved, in all."""

from __future__ import annotations

import json

from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.spec.deltas import LayerPlan

KEPT = 31
"""Days that are kept."""


def used(ledger: Ledger, day: str) -> int:
    """Bytes used on that day, drawn ones included."""
    with ledger.reading() as db:
        row = db.execute("SELECT bytes FROM traffic WHERE day = ?", (day,)).fetchone()
    return row[0] if row and type(row[0]) is int else 0  # a damaged number is forgotten, and overwritten by the next one


def draw(ledger: Ledger, day: str, amount: int, limit: int) -> int:
    """Count this many bytes as used, at most what is left of the limit; returns how many. Writes nothing when nothing is left."""
    drawn = min(amount, limit - used(ledger, day))
    if drawn <= 0:
        return 0
    with ledger.writing() as db:
        db.execute(
            "INSERT INTO traffic (day, bytes) VALUES (?, ?) ON CONFLICT (day) DO UPDATE"
            " SET bytes = iif(typeof(bytes) = 'integer', bytes, 0) + excluded.bytes",
            (day, drawn),
        )
        db.execute("DELETE FROM traffic WHERE day NOT IN (SELECT day FROM traffic ORDER BY day DESC LIMIT ?)", (KEPT,))
    return drawn


def give_back(ledger: Ledger, day: str, amount: int) -> None:
    """Undo a part of `draw`: it was not used."""
    with ledger.writing() as db:
        db.execute("UPDATE traffic SET bytes = max(bytes - ?, 0) WHERE day = ?", (amount, day))


# --- deltas ---------------------------------------------------------------------------------------------

_SAVED = "deltas.saved"


@dataclass(frozen=True)
class Savings:
    """`bytes` of deltas came instead of `instead_of` bytes of so many layers."""

    layers: int = 0
    bytes: int = 0
    instead_of: int = 0

    @property
    def saved(self) -> int:
        return max(self.instead_of - self.bytes, 0)


def savings(ledger: Ledger) -> Savings:
    """A damaged count is forgotten: it decides nothing."""
    try:
        counts = json.loads(ledger.fact(_SAVED) or "[0, 0, 0]")
        layers, used, instead_of = (number if type(number) is int and 0 <= number < 1 << 62 else 0 for number in counts)
    except (ValueError, TypeError):
        return Savings()
    return Savings(layers, used, instead_of)


def record_saved(ledger: Ledger, plan: LayerPlan) -> None:
    """A layer was rebuilt."""
    with ledger.writing():
        before = savings(ledger)
        counts = (before.layers + 1, before.bytes + plan.delta.size, before.instead_of + plan.layer.size)
        ledger.remember(_SAVED, json.dumps(counts))
