"""Bytes downloaded each day, local time: what the day's budget is counted by."""

from __future__ import annotations

from kelvin_provision.ledger.ledger import Ledger

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
