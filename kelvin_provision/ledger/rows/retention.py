"""Which revisions are kept for a rollback: those that ran last, as many as the setting says."""

from __future__ import annotations

import sqlite3

# Neither in a slot nor among the last :keep others that ran.
BEYOND = (
    "SELECT old.rowid FROM revisions AS old JOIN workloads ON workloads.name = old.workload"
    " WHERE old.number IS NOT running AND old.number IS NOT staged AND (old.applied IS NULL OR"
    " (SELECT count(*) FROM revisions AS newer WHERE newer.workload = old.workload AND newer.applied > old.applied"
    " AND newer.number IS NOT running AND newer.number IS NOT staged) >= :keep)"
)


def beyond(db: sqlite3.Connection, keep: int) -> tuple[tuple[str, int], ...]:
    """Workload and number of each revision that would not be kept now."""
    query = f"SELECT workload, number FROM revisions WHERE rowid IN ({BEYOND}) ORDER BY workload, number"  # noqa: S608  (a constant)
    return tuple((row["workload"], row["number"]) for row in db.execute(query, {"keep": keep}))


def forget(db: sqlite3.Connection, keep: int) -> None:
    """Delete them."""
    db.execute(f"DELETE FROM revisions WHERE rowid IN ({BEYOND})", {"keep": keep})  # noqa: S608  (a constant)


def forget_of(db: sqlite3.Connection, workload: str, keep: int) -> None:
    """Delete those of one workload."""
    query = f"DELETE FROM revisions WHERE rowid IN ({BEYOND} AND old.workload = :workload)"  # noqa: S608  (a constant)
    db.execute(query, {"keep": keep, "workload": workload})
