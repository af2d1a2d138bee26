"""Holds that people place on workloads. A hold ends with its workload."""

from __future__ import annotations

from collections.abc import Sequence

from kelvin_provision.ledger import history
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model.operations import Entry
from kelvin_provision.ledger.model.workloads import Workload


def hold(ledger: Ledger, names: Sequence[str], reason: str, *, actor: str) -> tuple[Workload, ...]:
    """Replaces the reason of an earlier hold. Returns the workloads as they were. Raises WorkloadUnknown, also for one that just went."""
    with ledger.writing() as db:
        workloads, now = ledger.workloads(names), ledger.clock()
        for workload in workloads:
            values = (workload.name, reason, actor, now)
            db.execute("INSERT OR REPLACE INTO holds (workload, reason, who, since) VALUES (?, ?, ?, ?)", values)
            history.append(db, Entry(now, actor, "hold", workload.name, None, "done", reason))
    return workloads


def release(ledger: Ledger, names: Sequence[str], *, actor: str) -> tuple[Workload, ...]:
    """Ends the holds of people, not those that workloads place on themselves. Returns and raises as `hold` does."""
    with ledger.writing() as db:
        workloads = ledger.workloads(names)
        for workload in workloads:
            if workload.held:
                db.execute("DELETE FROM holds WHERE workload = ?", (workload.name,))
                history.append(db, Entry(ledger.clock(), actor, "release", workload.name, None, "done", workload.held.reason))
    return workloads
