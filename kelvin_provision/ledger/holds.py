"""Holds that people place on workloads. A hold ends with its workload."""

from __future__ import annotations

from collections.abc import Sequence

from kelvin_provision.ledger import history
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model import Entry, Workload


def hold(ledger: Ledger, workloads: Sequence[Workload], reason: str, *, actor: str) -> None:
    """Replaces the reason of an earlier hold."""
    now = ledger.clock()
    with ledger.writing() as db:
        for workload in workloads:
            values = (workload.name, reason, actor, now)
            db.execute("INSERT OR REPLACE INTO holds (workload, reason, who, since) VALUES (?, ?, ?, ?)", values)
            history.append(db, Entry(now, actor, "hold", workload.name, None, "done", reason))


def release(ledger: Ledger, workloads: Sequence[Workload], *, actor: str) -> None:
    """Ends the holds of people; a hold that a workload places on itself stays."""
    with ledger.writing() as db:
        for workload in workloads:
            if workload.held:
                db.execute("DELETE FROM holds WHERE workload = ?", (workload.name,))
                history.append(db, Entry(ledger.clock(), actor, "release", workload.name, None, "done", workload.held.reason))
