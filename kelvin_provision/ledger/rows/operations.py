"""Rows of `operations` to values: apart from `common`, because most commands read none."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from kelvin_provision.ledger.model.operations import OnFailure, Operation, Phase, Step
from kelvin_provision.ledger.rows.damage import Row
from kelvin_provision.status import OperationKind


def operation(row: sqlite3.Row) -> Operation:
    """A row of `operations`. Raises StateDamaged."""
    cells = Row(row, "operations", "id")
    return Operation(
        id=cells.number("id"),
        kind=cells.word("kind", OperationKind),
        phase=cells.word("phase", Phase),
        steps=cells.json("steps", steps),
        started=cells.time("started"),
        on_failure=cells.word("on_failure", OnFailure),
        wait=cells.flag("wait"),
    )


def steps(document: Any) -> tuple[Step, ...]:
    """A step that was journaled before scales were has three values."""
    return tuple(_step(*step) for step in document)


def _step(workload: str, before: int | None, after: int | None, scale: Sequence[tuple[str, int]] = ()) -> Step:
    scales = tuple((name, number) for name, number in scale)
    fits = all(type(name) is str and type(number) is int for name, number in (*scales, (workload, before or 0), (workload, after or 0)))
    if not fits:
        raise TypeError(workload)
    return Step(workload, before, after, scales)
