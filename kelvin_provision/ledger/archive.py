"""Older history in files: what `history.keep` does not keep in the ledger is sealed, and the chain of hashes goes on through them.

A file of `history/` has the lines of one sealing, oldest first, and the ended operations that nothing refers to any more. Its name is the
number of its first line. The file is complete and durable before the ledger forgets its lines: after a power cut between the two, the
ledger still has them, and the next sealing replaces the file.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kelvin_provision.errors import HistoryBroken, StateDamaged
from kelvin_provision.files.durable import private_folder, read_own, write_durably
from kelvin_provision.ledger import evidence as attempts
from kelvin_provision.ledger import history
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model.operations import Entry
from kelvin_provision.ledger.rows import common as rows
from kelvin_provision.ledger.rows.damage import printable
from kelvin_provision.ledger.rows.sealed import Sealed, sealed

SCHEMA = 1
OPERATIONS = 1000
"""The number of newest operations that are kept, besides those that something refers to."""
LONGEST = 10_000
"""The maximum number of lines in a file, and of operations besides them: so many are in memory."""
_LINE = ("seq", "time", "who", "action", "workload", "revision", "outcome", "detail", "version", "digest", "hash")


@dataclass(frozen=True)
class Part:
    """What one sealing takes out of the ledger."""

    first: int
    last: int
    before: str
    lines: tuple[dict[str, Any], ...]
    operations: tuple[dict[str, Any], ...]

    @property
    def chunks(self) -> Iterator[bytes]:
        """A JSON document a line: what it is, lines of history, operations."""
        head = {"schema": SCHEMA, "first": self.first, "last": self.last, "before": self.before, "lines": len(self.lines)}
        for document in (head, *self.lines, *({"operation": operation} for operation in self.operations)):
            yield json.dumps(document, default=printable).encode() + b"\n"


def folder(ledger: Ledger) -> Path:
    return ledger.path.parent / "history"


def seal(ledger: Ledger, keep: int) -> int:
    """Seal all but the newest lines once a quarter more than these are there; returns how many. The caller holds the operator lock."""
    if not is_due(ledger, keep) or (last := _newest(ledger, keep)) is None:
        return 0
    for leftover in folder(ledger).glob(".*.jsonl.*"):
        leftover.unlink(missing_ok=True)  # of a power cut while a file was written
    count = 0
    while (end := _end(ledger, last)) is not None:
        count += _seal(ledger, end)
    return count


def is_due(ledger: Ledger, keep: int) -> bool:
    """Whether `seal` would seal. Costs nothing until there are enough lines."""
    enough = keep + keep // 4
    return _span(ledger) >= enough and _newest(ledger, enough - 1) is not None


def _span(ledger: Ledger) -> int:
    """At least the number of lines; cheap, and more than there are where a number was changed."""
    with ledger.reading() as db:
        first, last = db.execute("SELECT (SELECT min(seq) FROM history), (SELECT max(seq) FROM history)").fetchone()
    return (last or 0) - (first or 0) + 1


def _newest(ledger: Ledger, skipped: int) -> int | None:
    """The number of the newest line after `skipped` newer ones; None if there are not that many.

    Lines are counted, because a failing disk may have changed a number.
    """
    with ledger.reading() as db:
        row = db.execute("SELECT seq FROM history ORDER BY seq DESC LIMIT 1 OFFSET ?", (skipped,)).fetchone()
    return row[0] if row else None


def _end(ledger: Ledger, last: int) -> int | None:
    """The number of the last line of the next file; None when no line up to the last one is left."""
    with ledger.reading() as db:
        part = "SELECT seq FROM history WHERE seq <= ? ORDER BY seq LIMIT ?"
        end: int | None = db.execute(f"SELECT max(seq) FROM ({part})", (last, LONGEST)).fetchone()[0]  # noqa: S608  (a constant)
    return end


def _seal(ledger: Ledger, last: int) -> int:
    """Seal the lines up to this one in one file."""
    with ledger.reading() as db:
        part = _part(db, last)
    if history.broken_link(ledger, part.last) is not None:
        raise HistoryBroken("the history is not intact, so older lines are not moved out of the ledger")
    write_durably(private_folder(folder(ledger)) / _name(part.first), part.chunks, mode=0o400)
    with ledger.writing() as db:
        count = sealed(db).lines + len(part.lines)
        fact = json.dumps(asdict(Sealed(part.last, str(part.lines[-1]["hash"]), count)))
        db.execute("INSERT OR REPLACE INTO facts (key, value) VALUES ('history.sealed', ?)", (fact,))
        db.execute("DELETE FROM evidence WHERE seq <= ?", (part.last,))
        db.execute("DELETE FROM history WHERE seq <= ?", (part.last,))
        db.executemany("DELETE FROM operations WHERE id = ?", [(operation["id"],) for operation in part.operations])
    return len(part.lines)


def _part(db: sqlite3.Connection, last: int) -> Part:
    stored = db.execute("SELECT * FROM history WHERE seq <= ? ORDER BY seq", (last,)).fetchall()
    evidence = {row["seq"]: list(attempts.lines(row)) for row in db.execute("SELECT seq, lines FROM evidence WHERE seq <= ?", (last,))}
    lines = [{name: row[name] for name in _LINE} | _with(evidence.get(row["seq"])) for row in stored]
    operations = [dict(row) for row in db.execute(_OBSOLETE, (OPERATIONS, LONGEST))]
    return Part(stored[0]["seq"], last, sealed(db).hash, tuple(lines), tuple(operations))


def _with(evidence: list[str] | None) -> dict[str, Any]:
    return {"evidence": evidence} if evidence else {}


# An operation is needed by the revision that it brought up, by what it left, and for what a kept revision was scaled to.
_OBSOLETE = (
    "SELECT * FROM operations WHERE finished IS NOT NULL"  # noqa: S608  (constants)
    " AND id NOT IN (SELECT id FROM operations ORDER BY id DESC LIMIT ?)"
    " AND id NOT IN (SELECT applied FROM revisions WHERE applied IS NOT NULL)"
    " AND id NOT IN (SELECT left_by FROM workloads WHERE left_by IS NOT NULL)"
    f" AND NOT EXISTS (SELECT 1 FROM {rows.items('steps')} AS item JOIN revisions"
    f" ON workload = {rows.part(0)} AND number = {rows.part(1)} WHERE {rows.part(3)} <> '[]')"
    " ORDER BY id LIMIT ?"
)


def _name(first: int) -> str:
    return f"{first:012}.jsonl"


# --- reading --------------------------------------------------------------------------------------


def verify(ledger: Ledger) -> int:
    """Check the chain from its first line through all files to the end of the ledger; returns the number of lines. Raises HistoryBroken."""
    with ledger.reading() as db:
        end, count = sealed(db), 0
        before, last = "", 0
        for path in _files(ledger, end.last) if end.last else []:
            for line in _lines(path):
                before = _checked(path, line, before, last)
                last, count = line["seq"], count + 1
        if (last, before, count) != (end.last, end.hash, end.lines):
            where = f"the sealed history in {folder(ledger)}"
            raise HistoryBroken(f"{where} ends with line {last}, and should with {end.last}: a file is missing, or cut off")
        broken = history.broken_link(ledger)
        if broken is not None:
            raise HistoryBroken(f"line {broken} of the history does not match its hash: it was changed, or a line before it is missing")
        return count + int(db.execute("SELECT count(*) FROM history").fetchone()[0])


def _checked(path: Path, line: dict[str, Any], before: str, last: int) -> str:
    """The hash of the line. Raises HistoryBroken."""
    try:
        entry = Entry(**{name: line[name] for name in _LINE[1:-1]})
        number, written = line["seq"], line["hash"]
        expected = history.link(before, entry)
    except (KeyError, TypeError) as error:
        raise HistoryBroken(f"{path}: a line of the history cannot be read") from error
    if type(number) is not int or number <= last or expected != written:
        text = f"line {number} of the history, in {path}, does not match its hash: it was changed, or a line before it is missing"
        raise HistoryBroken(text)
    return expected


def _files(ledger: Ledger, last: int) -> list[Path]:
    """In order, without one that a power cut has left: the ledger has its lines."""
    names = sorted(path for path in folder(ledger).glob("*.jsonl") if path.stem.isascii() and path.stem.isdecimal())
    return [path for path in names if int(path.stem) <= last]


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """Its lines of history. Raises HistoryBroken."""
    try:
        for number, text in enumerate(read_own(path).splitlines()):
            document = json.loads(text)
            if number and "operation" not in document:
                yield document
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise HistoryBroken(f"{path} cannot be read: {error}") from error


def summary(ledger: Ledger) -> tuple[int, Path]:
    """How many lines are sealed, and where."""
    try:
        with ledger.reading() as db:
            return sealed(db).lines, folder(ledger)
    except StateDamaged:
        return 0, folder(ledger)
