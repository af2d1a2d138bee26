"""Results of rehearsals. One that cannot be read is as if it had not been made."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection

from kelvin_provision.ledger.model.workloads import Rehearsal
from kelvin_provision.ledger.rows.common import LISTED, listed, sound
from kelvin_provision.ledger.rows.damage import Row, strings
from kelvin_provision.status import RehearsalOutcome


def record(db: sqlite3.Connection, rehearsal: Rehearsal) -> bool:
    """In place of an earlier one. False if its revision is not the staged one any more, and then nothing is kept."""
    values = (
        rehearsal.workload,
        rehearsal.revision,
        rehearsal.began,
        rehearsal.ended,
        rehearsal.actor,
        rehearsal.outcome,
        rehearsal.reason,
        json.dumps(rehearsal.evidence),
    )
    done = db.execute(
        "INSERT OR REPLACE INTO rehearsals (workload, revision, began, ended, actor, outcome, reason, evidence)"
        " SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 FROM workloads WHERE name = ?1 AND staged = ?2",
        values,
    )
    return done.rowcount > 0


def rehearsals(db: sqlite3.Connection, names: Collection[str] | None = None) -> dict[tuple[str, int], Rehearsal]:
    """By workload and revision; of all, or of these workloads."""
    where, values = ("", ()) if names is None else (f" WHERE workload {LISTED}", listed(names))
    readable = sound(_rehearsal, db.execute(f"SELECT * FROM rehearsals{where}", values))  # noqa: S608  (constants)
    return {(each.workload, each.revision): each for each in readable}


def _rehearsal(row: sqlite3.Row) -> Rehearsal:
    cells = Row(row, "rehearsals", "workload")
    return Rehearsal(
        workload=cells.text("workload"),
        revision=cells.number("revision"),
        began=cells.time("began"),
        ended=cells.time("ended"),
        actor=cells.text("actor"),
        outcome=cells.word("outcome", RehearsalOutcome),
        reason=cells.text("reason"),
        evidence=cells.json("evidence", strings),
    )
