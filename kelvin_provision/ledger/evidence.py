"""Evidence of failed attempts, stored beside the history: events, container states, last log lines. Bounded here, masked by the caller."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator, Sequence

from kelvin_provision.errors import StateDamaged
from kelvin_provision.ledger.rows.damage import Row, strings

LINES = 200
SIZE = 16 << 10
"""The limits of one attempt: lines, and bytes of UTF-8."""
LONGEST = 2 << 10
"""The limit of one line, in bytes."""
OF_WORKLOAD, OF_ALL = 10, 500
"""The number of newest attempts whose evidence is kept: per workload, and in total."""


def bounded(lines: Sequence[str]) -> tuple[str, ...]:
    """The first and the last lines, and between them how many were left out."""
    kept = [_shortened(line) for line in lines]
    if len(kept) <= LINES and _size(kept) <= SIZE:
        return tuple(kept)
    head = _fitting(kept, (LINES - 1) // 2, SIZE // 2 - 64)
    tail = _fitting(kept[: head - 1 if head else None : -1], LINES - 1 - head, SIZE // 2 - 64)
    end = len(kept) - tail
    return (*kept[:head], f"... {end - head} lines left out ...", *kept[end:])


def _size(lines: Sequence[str]) -> int:
    return sum(len(line.encode()) + 1 for line in lines)


def _fitting(lines: Sequence[str], most: int, size: int) -> int:
    """The number of lines that fit, from the start."""
    count = 0
    for line in lines[:most]:
        size -= _size([line])
        if size < 0:
            break
        count += 1
    return count


def _shortened(line: str) -> str:
    content = line.encode()
    if len(content) <= LONGEST:
        return line
    half = LONGEST // 2 - 20
    left_out = len(content) - 2 * half
    return f"{content[:half].decode(errors='ignore')} ... {left_out} bytes left out ... {content[-half:].decode(errors='ignore')}"


def store(db: sqlite3.Connection, seq: int, workload: str, evidence: Sequence[str]) -> None:
    """Call it within the transaction that appends the line of history. Deletes evidence beyond the limits."""
    db.execute("INSERT INTO evidence (seq, workload, lines) VALUES (?, ?, ?)", (seq, workload, json.dumps(bounded(evidence))))
    newest = "SELECT seq FROM evidence WHERE workload = :name ORDER BY seq DESC LIMIT :kept"
    db.execute(f"DELETE FROM evidence WHERE workload = :name AND seq NOT IN ({newest})", {"name": workload, "kept": OF_WORKLOAD})  # noqa: S608  (constants)
    db.execute("DELETE FROM evidence WHERE seq NOT IN (SELECT seq FROM evidence ORDER BY seq DESC LIMIT ?)", (OF_ALL,))


def of(db: sqlite3.Connection, workloads: Collection[str] = (), *, since: int = 0) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Evidence by the number of its line of history: of all, or of these workloads; from the line of this number on."""
    where, values = (" AND workload IN (SELECT value FROM json_each(?))", (json.dumps(list(workloads)),)) if workloads else ("", ())
    for row in db.execute(f"SELECT seq, lines FROM evidence WHERE seq >= ?{where}", (since, *values)):  # noqa: S608  (constants)
        yield row["seq"], lines(row)


def lines(row: sqlite3.Row) -> tuple[str, ...]:
    """The evidence of a row; of a damaged one, that it is."""
    try:
        return Row(row, "evidence", "seq").json("lines", strings)
    except StateDamaged as error:
        return (str(error),)
