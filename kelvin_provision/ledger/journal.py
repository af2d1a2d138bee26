"""Operations and history: what is being done to the cluster, and what was done.

The journal's rule: before its phase is FINISHING an interrupted operation is undone, from then on it is finished.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Sequence
from dataclasses import astuple

from kelvin_provision.ledger import rows
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model import Entry, Operation, Phase, Step
from kelvin_provision.spec.words import Method
from kelvin_provision.status import Doing


def begin(ledger: Ledger, kind: Doing, phase: Phase, steps: Sequence[Step]) -> Operation:
    """Journal a change before the first byte of it reaches the cluster."""
    with ledger.writing() as db:
        now = ledger.clock()
        values = (kind, phase, json.dumps([astuple(step) for step in steps]), now)
        found = db.execute("INSERT INTO operations (kind, phase, steps, started) VALUES (?, ?, ?, ?)", values)
        return Operation(found.lastrowid or 0, kind, phase, tuple(steps), now)


def unfinished(ledger: Ledger) -> Operation | None:
    """What a crash left, or what another process is doing right now (the operator lock tells which)."""
    with ledger.reading() as db:
        return rows.unfinished(db)


def set_phase(ledger: Ledger, operation: Operation, phase: Phase) -> None:
    """Record how far it is."""
    with ledger.writing() as db:
        db.execute("UPDATE operations SET phase = ? WHERE id = ?", (phase, operation.id))


def commit(ledger: Ledger, operation: Operation) -> None:
    """The point of no return, all workloads at once: the new revisions are the running ones, the phase is FINISHING."""
    with ledger.writing() as db:
        for step in operation.steps:
            db.execute(
                "UPDATE workloads SET running = :after, enabled = 1, updated = :now,"
                " staged = CASE WHEN staged = :after THEN NULL ELSE staged END WHERE name = :name",
                {"after": step.after, "name": step.workload, "now": ledger.clock()},
            )
        db.execute("UPDATE operations SET phase = ? WHERE id = ?", (Phase.FINISHING, operation.id))


def end(ledger: Ledger, operation: Operation, entries: Sequence[Entry], *, keep: int | None = None, blame: str | None = None) -> None:
    """Close it and write its history in one transaction; with `keep`, forget older revisions of its workloads.

    `blame` is kept with the revisions that did not come up; those that apply themselves wait for a person from then on.
    """
    with ledger.writing() as db:
        db.execute("UPDATE operations SET finished = ? WHERE id = ?", (ledger.clock(), operation.id))
        for step in operation.steps if blame else ():
            db.execute(
                "UPDATE revisions SET error = 'version ' || json_extract(spec, '$.app_version') || ' was not applied: ' || ?,"
                " blocked = json_extract(spec, '$.method') <> ? WHERE workload = ? AND number = ?",
                (blame, Method.STAGED, step.workload, step.after),
            )
        for entry in entries:
            _append(db, entry)
        if keep is not None:
            for step in operation.steps:
                _forget(db, step.workload, keep)


def end_undeploy(ledger: Ledger, operation: Operation, entries: Sequence[Entry]) -> None:
    """Close an undeploy: the workloads and all their revisions are gone with it."""
    with ledger.writing() as db:
        for step in operation.steps:
            db.execute("DELETE FROM workloads WHERE name = ?", (step.workload,))
        db.execute("UPDATE operations SET finished = ? WHERE id = ?", (ledger.clock(), operation.id))
        for entry in entries:
            _append(db, entry)


def record(ledger: Ledger, entry: Entry) -> None:
    """One line of history that belongs to no operation."""
    with ledger.writing() as db:
        _append(db, entry)


def history(ledger: Ledger, workload: str | None = None) -> tuple[Entry, ...]:
    """The lines, oldest first."""
    query = "SELECT time, who, action, workload, revision, outcome, detail FROM history"
    with ledger.reading() as db:
        found = db.execute(f"{query} WHERE ? IS NULL OR workload = ? ORDER BY seq", (workload, workload)).fetchall()
    return tuple(Entry(*row) for row in found)


def broken_link(ledger: Ledger) -> int | None:
    """The first line of the history whose hash does not fit, or None when the chain is whole."""
    before = ""
    with ledger.reading() as db:
        for row in db.execute("SELECT * FROM history ORDER BY seq"):
            entry = Entry(*(row[key] for key in ("time", "who", "action", "workload", "revision", "outcome", "detail")))
            before = _link(before, entry)
            if before != row["hash"]:
                return int(row["seq"])
    return None


def _link(before: str, entry: Entry) -> str:
    return hashlib.sha256(json.dumps([before, *astuple(entry)]).encode()).hexdigest()


def _append(db: sqlite3.Connection, entry: Entry) -> None:
    row = db.execute("SELECT hash FROM history ORDER BY seq DESC LIMIT 1").fetchone()
    columns = "time, who, action, workload, revision, outcome, detail, hash"
    values = (*astuple(entry), _link(row[0] if row else "", entry))
    db.execute(f"INSERT INTO history ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)  # noqa: S608  (constants)


def _forget(db: sqlite3.Connection, name: str, keep: int) -> None:
    """Delete what is neither in a slot nor among the `keep` newest before the running one."""
    db.execute(
        "DELETE FROM revisions WHERE workload = :name AND number NOT IN ("
        " SELECT number FROM revisions WHERE workload = :name"
        " AND number < (SELECT running FROM workloads WHERE name = :name) ORDER BY number DESC LIMIT :keep)"
        " AND number NOT IN (SELECT v FROM (SELECT running AS v FROM workloads WHERE name = :name"
        " UNION SELECT staged FROM workloads WHERE name = :name) WHERE v IS NOT NULL)",
        {"name": name, "keep": keep},
    )
