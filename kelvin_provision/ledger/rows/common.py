"""Rows to values, and the statements that more than one transaction needs."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from kelvin_provision.errors import StateDamaged
from kelvin_provision.hints import Hint
from kelvin_provision.ledger.model.orders import Order, Outcome, Target
from kelvin_provision.ledger.model.workloads import Revision, Signers
from kelvin_provision.ledger.rows.damage import REPAIR, Row, is_time, objects, strings
from kelvin_provision.spec.enums import Download
from kelvin_provision.spec.lock import ImageLock, locks_from_json
from kelvin_provision.spec.workload import Spec
from kelvin_provision.status import Verb
from kelvin_provision.wait_reason import WaitKind, WaitReason

if TYPE_CHECKING:
    from kelvin_provision.ledger.model.operations import Operation
    from kelvin_provision.ledger.staging_state import StagingState

LISTED = "IN (SELECT value FROM json_each(?))"
"""A list of names as one parameter: SQLite limits how many a statement may have."""


T = TypeVar("T")


def items(column: str) -> str:
    """The items of a JSON column in a statement; none if it is damaged: SQLite would refuse a whole statement for one invalid document."""
    return f"json_each(iif(json_valid({column}), {column}, '[]'))"


def part(number: int) -> str:
    """In a statement, a part of an `item` that is a list itself."""
    return f"CASE item.type WHEN 'array' THEN json_extract(item.value, '$[{number}]') END"


def listed(names: Collection[str]) -> tuple[str]:
    return (json.dumps(list(names)),)


def locks_of(row: sqlite3.Row) -> tuple[ImageLock, ...]:
    """Of a row that has some. Raises StateDamaged."""
    return Row(row, "revisions", "workload", "number").json("locks", locks_from_json)


def distinct_locks(db: sqlite3.Connection, query: str, values: Mapping[str, object], *, sound_only: bool) -> tuple[ImageLock, ...]:
    """The locks of the rows of the query, each once: workloads share images. Raises StateDamaged unless `sound_only`."""
    from hashlib import blake2b  # OpenSSL's library takes milliseconds, and a list has no locks

    seen = set[bytes]()
    result: dict[ImageLock, None] = {}
    for row in db.execute(query, values):
        digest = blake2b(str(row["locks"]).encode(errors="surrogateescape"), digest_size=16).digest()
        if digest not in seen:
            seen.add(digest)
            with suppress(StateDamaged) if sound_only else nullcontext():
                result |= dict.fromkeys(locks_of(row))
    return tuple(result)


def revision(row: sqlite3.Row, *, hint: Callable[[], Hint] = lambda: REPAIR) -> Revision:
    """A row of `revisions`. Raises StateDamaged."""
    cells = Row(row, "revisions", "workload", "number", hint=hint)
    name, spec = cells.text("workload"), cells.json("spec", Spec.from_json)
    if spec.name != name:
        cells.damaged("spec")
    return Revision(
        workload=name,
        number=cells.number("number"),
        batch=cells.text("batch"),
        created=cells.time("created"),
        spec=spec,
        download=cells.word("download", Download),
        locks=cells.json_or_none("locks", locks_from_json),
        objects=cells.json_or_none("objects", objects),
        failure=cells.text_or_none("error"),
        blocked=cells.flag("blocked"),
        waiting=cells.json_or_none("waiting", wait_reason),
        applied=cells.number_or_none("applied"),
        bundle=cells.text_or_none("bundle"),
        signers=cells.json_or_none("signers", _signers) or _UNSIGNED,
    )


_UNSIGNED = Signers()


def _signers(document: Any) -> Signers:
    return Signers(strings(document["request"]), strings(document["bundle"]))


def signers_to_json(signers: Signers) -> str | None:
    """For the column; None where nothing is signed."""
    return json.dumps({"request": signers.request, "bundle": signers.bundle}) if signers != Signers() else None


def wait_reason(document: Any) -> WaitReason:
    reason = WaitReason.from_json(document)
    if reason.kind is WaitKind.APPLY_WINDOW and not is_time(reason.until):
        raise ValueError(reason.until)
    return reason


def staging_state(db: sqlite3.Connection, name: str, number: int) -> StagingState | None:
    """None when there is no such revision. Raises StateDamaged."""
    query = "SELECT workload, number, download, error, blocked, waiting FROM revisions WHERE workload = ? AND number = ?"
    row = db.execute(query, (name, number)).fetchone()
    if row is None:
        return None
    from kelvin_provision.ledger.staging_state import StagingState  # who only reads needs none of its events

    cells = Row(row, "revisions", "workload", "number")
    return StagingState(
        cells.word("download", Download), cells.text_or_none("error"), cells.flag("blocked"), cells.json_or_none("waiting", wait_reason)
    )


def set_staging_state(db: sqlite3.Connection, name: str, number: int, state: StagingState) -> None:
    waiting = json.dumps(state.waiting.to_json()) if state.waiting else None
    db.execute(
        "UPDATE revisions SET download = ?, error = ?, blocked = ?, waiting = ? WHERE workload = ? AND number = ?",
        (state.download, state.failure, int(state.blocked), waiting, name, number),
    )


def unfinished(db: sqlite3.Connection) -> Operation | None:
    """The operation under way; the operator lock sees to it that there is at most one. Raises StateDamaged."""
    row = db.execute("SELECT * FROM operations WHERE finished IS NULL ORDER BY id LIMIT 1").fetchone()
    if row is None:
        return None
    from kelvin_provision.ledger.rows.operations import operation  # most commands find none

    return operation(row)


def order(row: sqlite3.Row) -> Order:
    """A row of `orders`. Raises StateDamaged."""
    cells = Row(row, "orders", "id")
    return Order(
        id=cells.number("id"),
        key=cells.text("key"),
        actor=cells.text("actor"),
        verb=cells.word("verb", Verb),
        targets=cells.json("targets", _targets),
        arguments=cells.json("arguments", dict),
        at=cells.time_or_none("at"),
        asked=cells.time("asked"),
        begun=cells.time_or_none("begun"),
        ended=cells.time_or_none("ended"),
        operation=cells.number_or_none("operation"),
        outcome=cells.word("outcome", Outcome) if row["outcome"] else None,
        note=cells.text("note"),
        evidence=cells.json("evidence", strings),
    )


def sound(read: Callable[[sqlite3.Row], T], stored: Iterable[sqlite3.Row]) -> Iterator[T]:
    """What can be read of these rows: a damaged one must not keep the others from being used."""
    for row in stored:
        with suppress(StateDamaged):
            yield read(row)


def pending_orders(db: sqlite3.Connection, names: Collection[str] | None = None) -> list[Order]:
    """Orders that were not begun, or those of them that name one of these workloads, the next one first; also those that do not stand."""
    named, values = "", tuple[str, ...]()
    if names is not None:
        target = f"SELECT 1 FROM {items('targets')} AS item WHERE {part(0)} {LISTED}"  # noqa: S608  (constants)
        named = f" AND EXISTS ({target})"
        values = listed(names)
    query = f"SELECT * FROM orders WHERE ended IS NULL AND begun IS NULL{named} ORDER BY coalesce(at, asked), id"  # noqa: S608  (constants)
    return list(sound(order, db.execute(query, values)))


def standing(db: sqlite3.Connection, orders: Collection[Order]) -> list[Order]:
    now = slots(db, [name for pending in orders for name in pending.names])
    return [pending for pending in orders if pending.stands(now)]


def staged_numbers(db: sqlite3.Connection, names: Collection[str]) -> dict[str, int | None]:
    """The number of the staged revision of each of these workloads that exists."""
    query = f"SELECT name, staged FROM workloads WHERE name {LISTED}"  # noqa: S608  (constants)
    return {row["name"]: row["staged"] for row in db.execute(query, listed(names))}


def remember_images(db: sqlite3.Connection, locks: Iterable[ImageLock]) -> None:
    """Remember which images in the runtime are ours, so that they can be removed when no revision needs them."""
    db.executemany("INSERT OR IGNORE INTO images (name, lock) VALUES (?, ?)", [(lock.name, json.dumps(lock.to_json())) for lock in locks])


def slots(db: sqlite3.Connection, names: Collection[str]) -> dict[str, tuple[int | None, int | None]]:
    """Numbers, as far as they are some."""
    stored = db.execute(f"SELECT name, running, staged FROM workloads WHERE name {LISTED}", listed(names))  # noqa: S608  (constants)
    known = ((row["name"], [number if type(number) is int else None for number in (row["running"], row["staged"])]) for row in stored)
    return {name: (running, staged) for name, (running, staged) in known}


def images(db: sqlite3.Connection, having: str = "") -> tuple[ImageLock, ...]:
    """Those that were remembered, or of them those whose locks have this text; one that cannot be read stays in the runtime."""
    locks = []
    for row in db.execute("SELECT name, lock FROM images WHERE instr(lock, ?) ORDER BY name", (having,)):
        with suppress(StateDamaged):
            locks.append(Row(row, "images", "name").json("lock", ImageLock.from_json))
    return tuple(locks)


def images_like(db: sqlite3.Connection, digests: Collection[str], *, all_needed: bool) -> Iterator[ImageLock]:
    """Images with one of these layers, as far as a stored revision needs them; that is looked up unless all are needed."""
    shared = "EXISTS (SELECT 1 FROM json_each(?) AS digest WHERE instr(lock, digest.value))"
    needed = "EXISTS (SELECT 1 FROM revisions WHERE instr(locks, json_extract(lock, '$.config.digest')))"
    query = f"SELECT name, lock FROM images WHERE {shared} AND json_valid(lock){'' if all_needed else f' AND {needed}'}"  # noqa: S608  (constants)
    for row in db.execute(query, listed(digests)):
        with suppress(StateDamaged):
            yield Row(row, "images", "name").json("lock", ImageLock.from_json)


def forget_removed(db: sqlite3.Connection, workload: str) -> None:
    """A withdrawal ends with the workload: what a person deploys under its name afterwards is not that of the publication."""
    gone = "workload NOT IN (SELECT name FROM workloads)"
    db.execute(f"DELETE FROM followed WHERE workload = ? AND withdrawn IS NOT NULL AND {gone}", (workload,))  # noqa: S608  (constants)


def delete_staged(db: sqlite3.Connection, name: str) -> None:
    """Delete the revision in the staged slot, unless it runs or an operation is at work with it; `journal.end` has the broom for that."""
    db.execute(
        "DELETE FROM revisions WHERE workload = :name"
        " AND number = (SELECT staged FROM workloads WHERE name = :name AND staged IS NOT running)"
        " AND NOT EXISTS (SELECT 1 FROM operations WHERE finished IS NULL)",
        {"name": name},
    )


def _targets(document: Any) -> tuple[Target, ...]:
    targets = tuple(Target(name, number) for name, number in document)
    if not all(type(target.workload) is str and type(target.revision or 0) is int for target in targets):
        raise TypeError("targets")
    return targets
