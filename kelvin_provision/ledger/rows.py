"""Rows to values, and the statements that more than one transaction needs."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from kelvin_provision.ledger.model import OnFailure, Operation, Order, Outcome, Phase, Revision, Step, Target, Workload
from kelvin_provision.spec.enums import Download
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.workload import Spec
from kelvin_provision.status import Hold, Observation, OperationKind, Verb
from kelvin_provision.wait_reason import WaitReason

if TYPE_CHECKING:
    from kelvin_provision.ledger.staging_state import StagingState

_LISTED = "IN (SELECT value FROM json_each(?))"
"""A list of names as one parameter: SQLite limits how many a statement may have."""


def _listed(names: Collection[str]) -> tuple[str]:
    return (json.dumps(list(names)),)


def locks(text: str | None) -> tuple[ImageLock, ...] | None:
    """The stored locks, or None where nothing was resolved yet."""
    return tuple(ImageLock.from_json(item) for item in json.loads(text)) if text is not None else None


def revision(row: sqlite3.Row) -> Revision:
    """A row of `revisions`."""
    return Revision(
        workload=row["workload"],
        number=row["number"],
        batch=row["batch"],
        created=row["created"],
        spec=Spec.from_json(json.loads(row["spec"])),
        download=Download(row["download"]),
        locks=locks(row["locks"]),
        objects=tuple(json.loads(row["objects"])) if row["objects"] is not None else None,
        failure=row["error"],
        blocked=bool(row["blocked"]),
        waiting=wait_reason(row["waiting"]),
        applied=row["applied"],
    )


def wait_reason(text: str | None) -> WaitReason | None:
    return WaitReason.from_json(json.loads(text)) if text else None


def staging_state(db: sqlite3.Connection, name: str, number: int) -> StagingState | None:
    """None when there is no such revision."""
    query = "SELECT download, error, blocked, waiting FROM revisions WHERE workload = ? AND number = ?"
    row = db.execute(query, (name, number)).fetchone()
    if row is None:
        return None
    from kelvin_provision.ledger.staging_state import StagingState  # who only reads needs none of its events

    return StagingState(Download(row["download"]), row["error"], bool(row["blocked"]), wait_reason(row["waiting"]))


def set_staging_state(db: sqlite3.Connection, name: str, number: int, state: StagingState) -> None:
    waiting = json.dumps(state.waiting.to_json()) if state.waiting else None
    db.execute(
        "UPDATE revisions SET download = ?, error = ?, blocked = ?, waiting = ? WHERE workload = ? AND number = ?",
        (state.download, state.failure, int(state.blocked), waiting, name, number),
    )


def operation(row: sqlite3.Row) -> Operation:
    """A row of `operations`."""
    steps = tuple(_step(*step) for step in json.loads(row["steps"]))
    return Operation(
        id=row["id"],
        kind=OperationKind(row["kind"]),
        phase=Phase(row["phase"]),
        steps=steps,
        started=row["started"],
        on_failure=OnFailure(row["on_failure"]),
        wait=bool(row["wait"]),
    )


def unfinished(db: sqlite3.Connection) -> Operation | None:
    """The operation under way; the operator lock sees to it that there is at most one."""
    row = db.execute("SELECT * FROM operations WHERE finished IS NULL ORDER BY id LIMIT 1").fetchone()
    return operation(row) if row else None


def order(row: sqlite3.Row) -> Order:
    targets = tuple(Target(name, number) for name, number in json.loads(row["targets"]))
    return Order(
        id=row["id"],
        key=row["key"],
        actor=row["actor"],
        verb=Verb(row["verb"]),
        targets=targets,
        arguments=json.loads(row["arguments"]),
        at=row["at"],
        asked=row["asked"],
        begun=row["begun"],
        ended=row["ended"],
        operation=row["operation"],
        outcome=Outcome(row["outcome"]) if row["outcome"] else None,
        note=row["note"],
        evidence=tuple(json.loads(row["evidence"])),
    )


def pending_orders(db: sqlite3.Connection, names: Collection[str] | None = None) -> list[Order]:
    """Orders that were not begun, or those of them that name one of these workloads, the next one first; also those that do not stand."""
    named, values = "", tuple[str, ...]()
    if names is not None:
        target = f"SELECT 1 FROM json_each(targets) AS target WHERE json_extract(target.value, '$[0]') {_LISTED}"  # noqa: S608  (constants)
        named = f" AND EXISTS ({target})"
        values = _listed(names)
    query = f"SELECT * FROM orders WHERE ended IS NULL AND begun IS NULL{named} ORDER BY coalesce(at, asked), id"  # noqa: S608  (constants)
    return [order(row) for row in db.execute(query, values)]


def standing(db: sqlite3.Connection, orders: Collection[Order]) -> list[Order]:
    staged = staged_numbers(db, [name for pending in orders for name in pending.names])
    return [pending for pending in orders if pending.stands(staged)]


def staged_numbers(db: sqlite3.Connection, names: Collection[str]) -> dict[str, int | None]:
    """The number of the staged revision of each of these workloads that exists."""
    query = f"SELECT name, staged FROM workloads WHERE name {_LISTED}"  # noqa: S608  (constants)
    return {row["name"]: row["staged"] for row in db.execute(query, _listed(names))}


def workloads(db: sqlite3.Connection, names: Collection[str] | None = None) -> dict[str, Workload]:
    """Every workload with its slots, or those of these names that exist, sorted by name. Reads no row of another workload."""
    where, values = ("", ()) if names is None else (f" WHERE name {_LISTED}", _listed(names))
    operation = unfinished(db)
    kinds = {step.workload: operation.kind for step in operation.steps} if operation else {}
    slots = f"SELECT revisions.* FROM workloads JOIN revisions ON workload = name AND number IN (running, staged){where}"  # noqa: S608
    revision_rows = {(row["workload"], row["number"]): row for row in db.execute(slots, values)}

    orders: dict[str, list[Order]] = {}
    for pending in standing(db, pending_orders(db, names)):
        for name in pending.names:
            orders.setdefault(name, []).append(pending)
    hold_rows = db.execute(f"SELECT * FROM holds{where.replace('name', 'workload')}", values)  # noqa: S608  (constants)
    held = {row["workload"]: Hold(row["reason"], row["who"], row["since"]) for row in hold_rows}

    def slot(name: str, number: int | None) -> Revision | None:
        row = revision_rows.get((name, number))
        return revision(row) if row else None

    return {
        row["name"]: Workload(
            name=row["name"],
            title=row["title"],
            enabled=bool(row["enabled"]),
            created=row["created"],
            updated=row["updated"],
            running=slot(row["name"], row["running"]),
            staged=slot(row["name"], row["staged"]),
            observation=Observation.from_json(json.loads(row["observation"])) if row["observation"] else None,
            operation=kinds.get(row["name"]),
            held=held.get(row["name"]),
            orders=tuple(orders.get(row["name"], ())),
        )
        for row in db.execute(f"SELECT * FROM workloads{where} ORDER BY name", values)  # noqa: S608  (constants)
    }


def remember_images(db: sqlite3.Connection, locks: Iterable[ImageLock]) -> None:
    """Remember which images in the runtime are ours, so that they can be removed when no revision needs them."""
    db.executemany("INSERT OR IGNORE INTO images (name, lock) VALUES (?, ?)", [(lock.name, json.dumps(lock.to_json())) for lock in locks])


def delete_staged(db: sqlite3.Connection, name: str) -> None:
    """Delete the revision in the staged slot, unless it runs or an operation is at work with it; `journal.end` has the broom for that."""
    db.execute(
        "DELETE FROM revisions WHERE workload = :name"
        " AND number = (SELECT staged FROM workloads WHERE name = :name AND staged IS NOT running)"
        " AND NOT EXISTS (SELECT 1 FROM operations WHERE finished IS NULL)",
        {"name": name},
    )


def _step(workload: str, before: int | None, after: int | None, scale: Sequence[tuple[str, int]] = ()) -> Step:
    """A step that was journaled before scales were has three values."""
    return Step(workload, before, after, tuple((name, number) for name, number in scale))
