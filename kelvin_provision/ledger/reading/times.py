"""The newest time in the ledger: a clock that shows an earlier one has gone back."""

from __future__ import annotations

from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.rows.damage import is_time

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
    """RFC 3339 in UTC, which sorts as text; None in an empty ledger."""
    with ledger.reading() as db:
        newest_of_each = [db.execute(f"SELECT max({column}) FROM {table}").fetchone()[0] for table, column in _COLUMNS]  # noqa: S608  (constants)
    return max((time for time in newest_of_each if isinstance(time, str) and is_time(time)), default=None)
