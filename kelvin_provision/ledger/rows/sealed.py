"""How far the history was moved into files, as the ledger knows it."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Any

from kelvin_provision.ledger.rows.damage import Row


@dataclass(frozen=True)
class Sealed:
    """The number and the hash of the last line in files, and how many lines are there."""

    last: int = 0
    hash: str = ""
    lines: int = 0


def sealed(db: sqlite3.Connection) -> Sealed:
    """Raises StateDamaged."""
    row = db.execute("SELECT key, value FROM facts WHERE key = 'history.sealed'").fetchone()
    return Row(row, "facts", "key").json("value", _read) if row else Sealed()


def _read(document: Any) -> Sealed:
    result = Sealed(**document)
    if (type(result.last), type(result.hash), type(result.lines)) != (int, str, int):
        raise TypeError(document)
    return result


def head(db: sqlite3.Connection) -> str:
    """The hash that the first line of the ledger continues. As `sealed`, but empty if that cannot be read."""
    row = db.execute("SELECT value FROM facts WHERE key = 'history.sealed'").fetchone()
    try:
        return _read(json.loads(row[0])).hash if row else ""
    except (ValueError, TypeError):
        return ""
