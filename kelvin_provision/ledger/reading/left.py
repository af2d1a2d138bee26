"""Workloads whose last change failed and was left as it is."""

from __future__ import annotations

from contextlib import suppress

from kelvin_provision.errors import StateDamaged
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model.operations import Phase
from kelvin_provision.ledger.rows import operations as operation_rows
from kelvin_provision.ledger.rows.damage import printable


def left_workloads(ledger: Ledger) -> frozenset[str]:
    """Workloads whose last change of version failed and was kept as it is: what is on the cluster need not be what the slots say."""
    with ledger.reading() as db:
        return frozenset(row[0] for row in db.execute("SELECT name FROM workloads WHERE left_by IS NOT NULL"))


def left_revisions(ledger: Ledger) -> dict[str, int | None]:
    """The revision on the cluster of each of `left_workloads`; None if that is not known any more. Not of those that were taken back."""
    query = "SELECT name, operations.* FROM workloads LEFT JOIN operations ON operations.id = left_by WHERE left_by IS NOT NULL"
    numbers: dict[str, int | None] = {}
    with ledger.reading() as db:
        for row in db.execute(query):
            name = printable(row["name"])
            with suppress(StateDamaged):
                operation = operation_rows.operation(row)
                step = next((step for step in operation.steps if step.workload == name), None)
                if step and step.after is None and operation.phase is not Phase.LEFT:
                    continue
                numbers[name] = step.after if step else None
            numbers.setdefault(name, None)
    return numbers
