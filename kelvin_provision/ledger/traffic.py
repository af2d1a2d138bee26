"""Bytes downloaded each day, local time: what the day's budget is counted by."""

from __future__ import annotations

from kelvin_provision.ledger.ledger import Ledger

KEPT = 31
"""Days that are remembered."""


def used(ledger: Ledger, day: str) -> int:
    """Bytes used up on that day, what is drawn included."""
    with ledger.reading() as db:
        row = db.execute("SELECT bytes FROM traffic WHERE day = ?", (day,)).fetchone()
    return int(row[0]) if row else 0


def draw(ledger: Ledger, day: str, wanted: int, limit: int) -> int:
    """Count so many bytes as used, or what is left of the limit; how many. Nothing left writes nothing."""
    drawn = min(wanted, limit - used(ledger, day))
    if drawn <= 0:
        return 0
    with ledger.writing() as db:
        db.execute(
            "INSERT INTO traffic (day, bytes) VALUES (?, ?) ON CONFLICT (day) DO UPDATE SET bytes = bytes + excluded.bytes", (day, drawn)
        )
        db.execute("DELETE FROM traffic WHERE day NOT IN (SELECT day FROM traffic ORDER BY day DESC LIMIT ?)", (KEPT,))
    return drawn


def give_back(ledger: Ledger, day: str, amount: int) -> None:
    """It was drawn and not used."""
    with ledger.writing() as db:
        db.execute("UPDATE traffic SET bytes = max(bytes - ?, 0) WHERE day = ?", (amount, day))
