"""What people hold by hand. It goes with its workload."""

from __future__ import annotations

from collections.abc import Sequence

from kelvin_provision.ledger import journal
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model import Entry, Workload


def hold(ledger: Ledger, found: Sequence[Workload], reason: str, *, who: str) -> None:
    """From now on; of one that is held already the reason is replaced."""
    now = ledger.clock()
    with ledger.writing() as db:
        for workload in found:
            values = (workload.name, reason, who, now)
            db.execute("INSERT OR REPLACE INTO holds (workload, reason, who, since) VALUES (?, ?, ?, ?)", values)
            journal.append(db, Entry(now, who, "hold", workload.name, None, "done", reason))


def release(ledger: Ledger, found: Sequence[Workload], *, who: str) -> None:
    """Those that people hold; what a workload says of itself is its own."""
    with ledger.writing() as db:
        for workload in found:
            if workload.held:
                db.execute("DELETE FROM holds WHERE workload = ?", (workload.name,))
                journal.append(db, Entry(ledger.clock(), who, "release", workload.name, None, "done", workload.held.reason))
