"""The history: one line for each change of a workload, chained by hashes so that a changed or missing line is detected."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from kelvin_provision.errors import StateDamaged
from kelvin_provision.files.hashing import sha256_hex
from kelvin_provision.ledger import evidence as attempts
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model.operations import Ending, Entry
from kelvin_provision.ledger.model.workloads import Revision
from kelvin_provision.ledger.rows import common as rows
from kelvin_provision.ledger.rows import sealed
from kelvin_provision.ledger.rows.damage import Row, is_time, printable
from kelvin_provision.masking.controls import harmless

_COLUMNS = ("time", "who", "action", "workload", "revision", "outcome", "detail", "version", "digest")
_FIRST_SCHEMA = _COLUMNS.index("version")
_UNKNOWN_TIME = "1970-01-01T00:00:00Z"
REFUSED = "refused"
"""The outcome of an attempt that was refused before any change."""


def record(ledger: Ledger, entry: Entry, facts: Mapping[str, str] = MappingProxyType({})) -> None:
    """Append a line outside of an operation, and remember facts with it."""
    with ledger.writing() as db:
        append(db, entry)
        db.executemany("INSERT OR REPLACE INTO facts (key, value) VALUES (?, ?)", facts.items())


def record_refused(ledger: Ledger, revisions: Sequence[Revision], action: str, detail: str, evidence: Sequence[str], *, actor: str) -> None:
    """Record a refused attempt: one line for each revision, with the findings as evidence.

    A line that equals the newest one of its workload is not written again: the agent may try for weeks. The caller masks the evidence.
    """
    lines = attempts.bounded(evidence)
    with ledger.writing() as db:
        now = ledger.clock()
        for revision in revisions:
            entry = _printable(Entry(now, actor, action, revision.workload, revision.number, REFUSED, detail, evidence=lines))
            if not _is_newest(db, entry):
                append(db, entry)


def _is_newest(db: sqlite3.Connection, entry: Entry) -> bool:
    row = db.execute("SELECT * FROM history WHERE workload = ? ORDER BY seq DESC LIMIT 1", (entry.workload,)).fetchone()
    if row is None:
        return False
    newest = _shown(row)
    same = replace(entry, time=newest.time, version=newest.version, digest=newest.digest, evidence=()) == newest
    return same and dict(attempts.of(db, [entry.workload])).get(row["seq"], ()) == entry.evidence


def history(ledger: Ledger, *workloads: str, evidence: bool = False, newest: int | None = None) -> tuple[Entry, ...]:
    """The lines, of all or of these workloads, oldest first; with `newest`, only so many. With `evidence`, failed attempts have theirs."""
    with ledger.reading() as db:
        where, values = (f" WHERE workload {rows.LISTED}", rows.listed(workloads)) if workloads else ("", ())
        query = f"SELECT * FROM history{where} ORDER BY seq DESC LIMIT ?"  # noqa: S608  (constants)
        entries = db.execute(query, (*values, -1 if newest is None else newest)).fetchall()[::-1]
        lines = dict(attempts.of(db, workloads, since=entries[0]["seq"])) if evidence and entries else {}
        return tuple(replace(_shown(row), evidence=lines.get(row["seq"], ())) for row in entries)


def last(ledger: Ledger, action: str) -> Entry | None:
    """The newest line about this action, whatever the workload."""
    with ledger.reading() as db:
        row = db.execute("SELECT * FROM history WHERE action = ? ORDER BY seq DESC LIMIT 1", (action,)).fetchone()
    return _shown(row) if row else None


def ending(ledger: Ledger, names: Sequence[str], since: str, until: str) -> Ending | None:
    """How a failed operation on these workloads has ended between these times; None if no line says so."""
    query = f"SELECT outcome FROM history WHERE workload {rows.LISTED} AND time >= ? AND time <= ? ORDER BY seq DESC"  # noqa: S608  (constants)
    with ledger.reading() as db:
        outcomes = [row["outcome"] for row in db.execute(query, (*rows.listed(names), since, until))]
    return next((Ending(outcome) for outcome in outcomes if outcome in list(Ending)), None)


def known(ledger: Ledger, workloads: Sequence[str]) -> frozenset[str]:
    """Those of them that have a line."""
    with ledger.reading() as db:
        query = "SELECT value FROM json_each(?) WHERE EXISTS (SELECT 1 FROM history WHERE workload = value)"
        return frozenset(row[0] for row in db.execute(query, rows.listed(workloads)))


def last_failure(ledger: Ledger, workload: str) -> Entry | None:
    """The newest failed attempt of this workload that has evidence; later attempts may have succeeded."""
    query = "SELECT history.*, lines FROM history JOIN evidence USING (seq) WHERE evidence.workload = ? ORDER BY seq DESC LIMIT 1"
    with ledger.reading() as db:
        row = db.execute(query, (workload,)).fetchone()
    return replace(_shown(row), evidence=attempts.lines(row)) if row else None


def succeeded_since(ledger: Ledger, failure: Entry) -> bool:
    """Whether anything succeeded for the workload of this line after it."""
    line = "SELECT max(seq) FROM history WHERE workload = ?1 AND time = ?2 AND action = ?3"
    query = f"SELECT 1 FROM history WHERE workload = ?1 AND seq > ({line}) AND outcome LIKE 'done%' LIMIT 1"  # noqa: S608  (a constant)
    with ledger.reading() as db:
        return db.execute(query, (failure.workload, failure.time, failure.action)).fetchone() is not None


def broken_link(ledger: Ledger, last: int = -1) -> int | None:
    """The first line in the ledger whose hash does not fit, or None when the chain is whole; up to this line, or the last one."""
    with ledger.reading() as db:
        before = sealed.head(db)
        for row in db.execute("SELECT * FROM history WHERE ?1 < 0 OR seq <= ?1 ORDER BY seq", (last,)):
            try:
                before = link(before, line_of(row))
            except StateDamaged:
                return int(row["seq"])
            if before != row["hash"]:
                return int(row["seq"])
    return None


def head(ledger: Ledger) -> str:
    """The hash of the last line: noted elsewhere, it shows later whether lines were cut off the end."""
    with ledger.reading() as db:
        return _head(db)


def append(db: sqlite3.Connection, entry: Entry) -> None:
    """Append a line within a transaction. Its evidence is stored beside it; the hashes cover the lines only.

    Every line comes by here: what would control the terminal of who reads it, such as the name of a file on a medium, is made visible.
    """
    entry = _printable(entry)
    if not entry.version and entry.revision is not None:
        query = "SELECT * FROM revisions WHERE workload = ? AND number = ?"
        row = db.execute(query, (entry.workload, entry.revision)).fetchone()
        for revision in rows.sound(rows.revision, [] if row is None else [row]):
            entry = replace(entry, version=revision.spec.app_version, digest=revision.digest)
    values = (*_values(entry), link(_head(db), entry))
    columns = ", ".join((*_COLUMNS, "hash"))
    line = db.execute(f"INSERT INTO history ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)  # noqa: S608  (constants)
    if entry.evidence and line.lastrowid:
        attempts.store(db, line.lastrowid, entry.workload, entry.evidence)


def _printable(entry: Entry) -> Entry:
    texts: dict[str, Any] = {name: _one_line(value) for name in _COLUMNS if isinstance(value := getattr(entry, name), str)}
    return replace(entry, **texts, evidence=tuple(map(harmless, entry.evidence)))


def _one_line(text: str) -> str:
    return harmless(text).replace("\n", "\\x0a")


def line_of(row: sqlite3.Row) -> Entry:
    """A row of `history`. Raises StateDamaged."""
    cells = Row(row, "history", "seq")
    return Entry(
        time=cells.time("time"),
        who=cells.text("who"),
        action=cells.text("action"),
        workload=cells.text("workload"),
        revision=cells.number_or_none("revision"),
        outcome=cells.text("outcome"),
        detail=cells.text("detail"),
        version=cells.text("version"),
        digest=cells.text("digest"),
    )


def _shown(row: sqlite3.Row) -> Entry:
    """A line that cannot be read says so in its place."""
    try:
        return line_of(row)
    except StateDamaged as error:
        time = row["time"] if isinstance(row["time"], str) and is_time(row["time"]) else _UNKNOWN_TIME
        return Entry(time, "?", "?", printable(row["workload"]), None, "damaged", str(error))


def _values(entry: Entry) -> tuple[str | int | None, ...]:
    return tuple(getattr(entry, name) for name in _COLUMNS)


def _head(db: sqlite3.Connection) -> str:
    row = db.execute("SELECT hash FROM history ORDER BY seq DESC LIMIT 1").fetchone()
    return printable(row[0]) if row else sealed.head(db)


def link(before: str, entry: Entry) -> str:
    """The hash of a line: of the hash before it, and of its values."""
    values = _values(entry)
    if not entry.version and not entry.digest:
        values = values[:_FIRST_SCHEMA]  # lines of the first schema keep the hash that they were written with
    return sha256_hex(json.dumps([before, *values]).encode())
