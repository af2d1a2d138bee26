"""Rows to values, and the statements that more than one transaction needs."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable

from kelvin_provision.ledger.model import Care, Operation, Phase, Revision, ScheduledApply, Step, Workload
from kelvin_provision.spec.enums import Download
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.workload import Spec
from kelvin_provision.status import Doing, Hold, Observation


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
        error=row["error"],
        blocked=bool(row["blocked"]),
        applied=row["applied"],
    )


def operation(row: sqlite3.Row) -> Operation:
    """A row of `operations`."""
    steps = tuple(Step(*step) for step in json.loads(row["steps"]))
    return Operation(row["id"], Doing(row["kind"]), Phase(row["phase"]), steps, row["started"], Care(row["care"]))


def unfinished(db: sqlite3.Connection) -> Operation | None:
    """The operation under way; there is one at most, the operator lock sees to it."""
    row = db.execute("SELECT * FROM operations WHERE finished IS NULL ORDER BY id LIMIT 1").fetchone()
    return operation(row) if row else None


def appointments(db: sqlite3.Connection) -> list[ScheduledApply]:
    """All that were made and not ended, the next one first; whether they still stand is another question."""
    return [
        ScheduledApply(row["id"], row["at"], row["made"], row["who"], bool(row["forced"]), _members(row["members"]), row["note"])
        for row in db.execute("SELECT * FROM appointments ORDER BY at, id")
    ]


def _members(text: str) -> tuple[tuple[str, int], ...]:
    return tuple((name, number) for name, number in json.loads(text))


def end_appointments(db: sqlite3.Connection, names: Collection[str]) -> list[tuple[str, int, str]]:
    """End those that name one of these; every workload of them, with its revision and the time, those of the others too."""
    ended = [one for one in appointments(db) if set(one.names) & set(names)]
    for one in ended:
        db.execute("DELETE FROM appointments WHERE id = ?", (one.id,))
    return [(name, number, one.at) for one in ended for name, number in one.members]


def staged_numbers(db: sqlite3.Connection) -> dict[str, int | None]:
    """The number of each workload's staged revision."""
    return {row["name"]: row["staged"] for row in db.execute("SELECT name, staged FROM workloads")}


def workloads(db: sqlite3.Connection) -> dict[str, Workload]:
    """Every workload with its slots, sorted by name."""
    under_way = unfinished(db)
    doing = {step.workload: under_way.kind for step in under_way.steps} if under_way else {}
    slots = "SELECT revisions.* FROM revisions JOIN workloads ON name = workload AND number IN (running, staged)"
    found = {(row["workload"], row["number"]): row for row in db.execute(slots)}

    staged = staged_numbers(db)
    appointed = {name: one for one in reversed(appointments(db)) if one.stands(staged) for name in one.names}
    held = {row["workload"]: Hold(row["reason"], row["who"], row["since"]) for row in db.execute("SELECT * FROM holds")}

    def slot(name: str, number: int | None) -> Revision | None:
        row = found.get((name, number))
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
            doing=doing.get(row["name"]),
            held=held.get(row["name"]),
            appointment=appointed.get(row["name"]),
        )
        for row in db.execute("SELECT * FROM workloads ORDER BY name")
    }


def remember_images(db: sqlite3.Connection, locks: Iterable[ImageLock]) -> None:
    """Remember what is ours in the runtime, so that it can be taken out when nobody needs it."""
    db.executemany("INSERT OR IGNORE INTO images (name, lock) VALUES (?, ?)", [(lock.name, json.dumps(lock.to_json())) for lock in locks])


def delete_staged(db: sqlite3.Connection, name: str) -> None:
    """Delete the revision in the staged slot, unless it runs or an operation is at work with it; `journal.end` has the broom for that."""
    db.execute(
        "DELETE FROM revisions WHERE workload = :name"
        " AND number = (SELECT staged FROM workloads WHERE name = :name AND staged IS NOT running)"
        " AND NOT EXISTS (SELECT 1 FROM operations WHERE finished IS NULL)",
        {"name": name},
    )
