"""The journal: operations, what is being done to the cluster. The history of what was done is in `history`.

The journal's rule: an interrupted operation is undone before its phase is FINISHING, and finished from then on.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import astuple

from kelvin_provision.errors import NotReady, StateDamaged
from kelvin_provision.ledger.history import append
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model.operations import Ending, Entry, FailureHandling, Operation, Phase, Step
from kelvin_provision.ledger.model.orders import Order
from kelvin_provision.ledger.rows import common as rows
from kelvin_provision.ledger.rows import operations as operation_rows
from kelvin_provision.ledger.rows import orders as order_rows
from kelvin_provision.ledger.rows import retention
from kelvin_provision.ledger.rows.damage import Row, printable
from kelvin_provision.ledger.staging_state import ApplyFailed, TakenBack
from kelvin_provision.status import OperationKind

_ROLL_BACK = FailureHandling()


def begin(
    ledger: Ledger,
    kind: OperationKind,
    phase: Phase,
    steps: Sequence[Step],
    *,
    handling: FailureHandling = _ROLL_BACK,
    actor: str = "",
    order: Order | None = None,
) -> Operation:
    """Journal a change before it reaches the cluster. An apply begins or ends pending orders, in the same commit.

    `order` is the order that this carries out; for an apply it need not be given. Raises NotReady when the plan is outdated: requests are
    accepted at any time, also while a plan is made.
    """
    with ledger.writing() as db:
        for step in steps:
            _refuse_moved(db, kind, step)
        now = ledger.clock()
        on_failure, wait = handling.on_failure, handling.wait
        values = (kind, phase, json.dumps([astuple(step) for step in steps]), now, on_failure, wait)
        inserted = db.execute("INSERT INTO operations (kind, phase, steps, started, on_failure, wait) VALUES (?, ?, ?, ?, ?, ?)", values)
        operation = Operation(inserted.lastrowid or 0, kind, phase, tuple(steps), now, on_failure, wait)
        if kind is OperationKind.APPLY:
            order_rows.begin_applies(db, operation, actor=actor)
        elif order is not None:
            order_rows.begin_with(db, order, operation, actor=actor)
        return operation


def scale_before(ledger: Ledger, workload: str, number: int) -> dict[str, int]:
    """What a revision was scaled to on the cluster when it was last left for another one."""
    query = (
        f"SELECT operations.* FROM operations, {rows.items('operations.steps')} AS item WHERE phase <> ?"  # noqa: S608  (constants)
        f" AND {rows.part(0)} = ? AND {rows.part(1)} = ? AND {rows.part(2)} IS NOT ? ORDER BY operations.id DESC LIMIT 1"
    )
    with ledger.reading() as db:
        row = db.execute(query, (Phase.REMOVING, workload, number, number)).fetchone()
    if row is None:
        return {}
    return next((dict(step.scale) for step in operation_rows.operation(row).steps if step.workload == workload), {})


def find(ledger: Ledger, number: int) -> Operation | None:
    with ledger.reading() as db:
        row = db.execute("SELECT * FROM operations WHERE id = ?", (number,)).fetchone()
    return operation_rows.operation(row) if row else None


def unfinished(ledger: Ledger) -> Operation | None:
    """The open operation: left by a crash, or under way in another process (the operator lock tells which)."""
    with ledger.reading() as db:
        return rows.unfinished(db)


def end_unreadable(ledger: Ledger, damage: StateDamaged, *, actor: str) -> tuple[str, ...]:
    """Close the open operation whose record cannot be read, or cannot be carried out for a damaged row, as left; returns its workloads.

    What is on the cluster need not be what the slots say: an apply, rollback or undeploy of them starts from what is there.
    """
    with ledger.writing() as db:
        row = db.execute("SELECT * FROM operations WHERE finished IS NULL ORDER BY id LIMIT 1").fetchone()
        if row is None:
            return ()
        now, steps = ledger.clock(), tuple[Step, ...]()
        with suppress(StateDamaged):
            steps = Row(row, "operations", "id").json("steps", operation_rows.steps)
        db.execute("UPDATE operations SET phase = ?, finished = ? WHERE id = ?", (Phase.LEFT, now, row["id"]))
        db.executemany("UPDATE workloads SET left_by = ? WHERE name = ?", [(row["id"], step.workload) for step in steps])
        for step in steps:
            append(db, Entry(now, actor, printable(row["kind"]), step.workload, step.after, Ending.LEFT, str(damage)))
        order_rows.fail(db, row["id"], str(damage), now=now)
    return tuple(step.workload for step in steps)


def set_phase(ledger: Ledger, operation: Operation, phase: Phase) -> None:
    with ledger.writing() as db:
        db.execute("UPDATE operations SET phase = ? WHERE id = ?", (phase, operation.id))


def commit(ledger: Ledger, operation: Operation) -> None:
    """The point of no return, for all workloads at once: the new revisions are the running ones, the phase is FINISHING."""
    with ledger.writing() as db:
        for step in operation.steps:
            if step.after is None:
                _stage_again(ledger, db, step)
                continue
            db.execute(
                "UPDATE workloads SET running = :after, enabled = 1, updated = :now,"
                " staged = CASE WHEN staged = :after THEN NULL ELSE staged END WHERE name = :name",
                {"after": step.after, "name": step.workload, "now": ledger.clock()},
            )
            applied = "UPDATE revisions SET applied = ? WHERE workload = ? AND number = ?"
            db.execute(applied, (operation.id, step.workload, step.after))
        db.execute("UPDATE operations SET phase = ? WHERE id = ?", (Phase.FINISHING, operation.id))


def _stage_again(ledger: Ledger, db: sqlite3.Connection, step: Step) -> None:
    """What ran is staged again, and stays so until it is applied by its name. A version that was staged since stays the staged one."""
    db.execute(
        "UPDATE workloads SET running = NULL, observation = NULL, enabled = 1, updated = :now, staged = coalesce(staged, running)"
        " WHERE name = :name",
        {"name": step.workload, "now": ledger.clock()},
    )
    row = db.execute(
        "SELECT revisions.* FROM revisions JOIN workloads ON name = workload AND number = staged WHERE name = ?", (step.workload,)
    )
    for revision in rows.sound(rows.revision, row.fetchall()):
        if revision.number == step.before:
            ledger.advance(revision, TakenBack(revision.spec.app_version))


def _refuse_moved(db: sqlite3.Connection, kind: OperationKind, step: Step) -> None:
    row = db.execute("SELECT running, staged FROM workloads WHERE name = ?", (step.workload,)).fetchone()
    running = row["running"] if row else None
    if kind is OperationKind.UNDEPLOY and type(running) is not int:
        running = None  # a damaged cell is no number: removing the workload is its repair
    if row is None or running != step.before:
        raise NotReady(f"{step.workload}: another command has changed what runs")
    if kind is OperationKind.APPLY and row["staged"] != step.after:
        raise NotReady(f"{step.workload}: its staged version was replaced in the meantime")


def end(
    ledger: Ledger,
    operation: Operation,
    entries: Sequence[Entry],
    *,
    keep: int | None = None,
    blame: str | None = None,
    blocked: bool = True,
) -> None:
    """Close the operation and write its history in one transaction; with `keep`, delete older revisions of its workloads.

    `blame` is stored with the revisions that did not come up; with `blocked`, they then wait for a person.
    """
    with ledger.writing() as db:
        db.execute("UPDATE operations SET finished = ? WHERE id = ?", (ledger.clock(), operation.id))
        _set_left(db, operation, None)
        for step in operation.steps if blame else ():
            _blame(ledger, db, step, blame or "", blocked=blocked)
        _write(db, operation, entries, ledger)
        if keep is None:
            return
        taken_back = [step.workload for step in operation.steps if step.after is None and step.before is not None]
        # Its data is still on the cluster, and goes with the workload.
        db.executemany("UPDATE workloads SET left_by = ? WHERE name = ? AND running IS NULL", [(operation.id, name) for name in taken_back])
        for step in operation.steps:
            if operation.wait:
                # It is up now; an older observation would show otherwise for a moment.
                db.execute("UPDATE workloads SET observation = NULL WHERE name = ?", (step.workload,))
            retention.forget_of(db, step.workload, keep)


def _blame(ledger: Ledger, db: sqlite3.Connection, step: Step, cause: str, *, blocked: bool) -> None:
    row = db.execute("SELECT * FROM revisions WHERE workload = ? AND number = ?", (step.workload, step.after)).fetchone()
    for revision in rows.sound(rows.revision, [] if row is None else [row]):
        text = f"version {revision.spec.app_version} was not applied: {cause}"
        ledger.advance(revision, ApplyFailed(text, blocks=blocked))


def end_left(ledger: Ledger, operation: Operation, entries: Sequence[Entry]) -> None:
    """Close a failed operation whose result is kept: the slots stay, and `left` returns its workloads."""
    with ledger.writing() as db:
        db.execute("UPDATE operations SET phase = ?, finished = ? WHERE id = ?", (Phase.LEFT, ledger.clock(), operation.id))
        _set_left(db, operation, operation.id)
        _write(db, operation, entries, ledger)


def _set_left(db: sqlite3.Connection, operation: Operation, left_by: int | None) -> None:
    names = [(left_by, step.workload) for step in operation.steps]
    db.executemany("UPDATE workloads SET left_by = ? WHERE name = ?", names)


def end_switch(ledger: Ledger, operation: Operation, entries: Sequence[Entry], *, enabled: bool, names: Sequence[str]) -> None:
    """Close a start or stop, and enable or disable these workloads."""
    with ledger.writing() as db:
        now = ledger.clock()
        for name in names:
            db.execute("UPDATE workloads SET enabled = ?, updated = ? WHERE name = ?", (int(enabled), now, name))
        db.execute("UPDATE operations SET finished = ? WHERE id = ?", (now, operation.id))
        _write(db, operation, entries, ledger)


def end_undeploy(ledger: Ledger, operation: Operation, entries: Sequence[Entry]) -> tuple[Order, ...]:
    """Close an undeploy and delete the workloads, except revisions that were staged since it began (`Step.after` is the one of then).

    Returns the orders that this cancels.
    """
    with ledger.writing() as db:
        _write(db, operation, entries, ledger)
        for step in operation.steps:
            key = {"name": step.workload, "staged": step.after}
            kept = "typeof(staged) = 'integer' AND staged IS NOT :staged AND staged IS NOT running"  # not a damaged cell
            newer = f"SELECT staged FROM workloads WHERE name = :name AND {kept}"  # noqa: S608  (constants)
            db.execute(f"DELETE FROM revisions WHERE workload = :name AND number IS NOT ({newer})", key)  # noqa: S608  (constants)
            db.execute(
                "UPDATE workloads SET running = NULL, observation = NULL, left_by = NULL,"  # noqa: S608  (constants)
                f" staged = CASE WHEN {kept} THEN staged END WHERE name = :name",
                key,
            )
            db.execute("DELETE FROM workloads WHERE name = :name AND staged IS NULL", key)
            rows.forget_removed(db, step.workload)
        names = [step.workload for step in operation.steps]
        db.execute("UPDATE operations SET finished = ? WHERE id = ?", (ledger.clock(), operation.id))
        return order_rows.cancel_moved(db, names, actor=entries[0].who if entries else "", now=ledger.clock())


def _write(db: sqlite3.Connection, operation: Operation, entries: Sequence[Entry], ledger: Ledger) -> None:
    """Write the history of an operation that ends, and end its orders."""
    for entry in entries:
        append(db, entry)
    order_rows.end_with(db, operation, entries, now=ledger.clock())
