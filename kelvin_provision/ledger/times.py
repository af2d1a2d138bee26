"""The newest time that stands anywhere in the ledger: a clock that says less has gone back."""

from __future__ import annotations

from kelvin_provision.ledger.ledger import Ledger

_COLUMNS = (
    ("history", "time"),
    ("workloads", "updated"),
    ("revisions", "created"),
    ("operations", "started"),
    ("operations", "finished"),
    ("orders", "asked"),
    ("orders", "ended"),
)


def newest(ledger: Ledger) -> str | None:
    """RFC 3339 in UTC, which sorts as text; None where nothing was ever done."""
    with ledger.reading() as db:
        found = [db.execute(f"SELECT max({column}) FROM {table}").fetchone()[0] for table, column in _COLUMNS]  # noqa: S608  (constants)
    return max((one for one in found if one), default=None)
