"""Which revisions have no secrets, so that who looks for secrets need not read them.

What counts as a secret is decided by `masking`. The column `plain` therefore begins with a digest of those rules: after an update of this
program with other rules, nothing is taken for plain before it has been looked at again, which the agent does when it starts.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from kelvin_provision import __version__

_RULES = ("masking/*.py", "spec/references.py")


@cache
def _rules() -> str:
    """Different for different rules; where the files cannot be read, for different versions."""
    from hashlib import blake2b

    package = Path(__file__).parents[2]
    digest = blake2b(__version__.encode(), digest_size=8)
    for pattern in _RULES:
        for path in sorted(package.glob(pattern)):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def plain() -> str:
    """The value of the column for a revision without secrets."""
    return f"{_rules()} plain"


def _other() -> str:
    return f"{_rules()} other"


def of(*documents: Any) -> str:
    """The value of the column for these documents. Logins of registries are no secret of a revision: they are looked up elsewhere."""
    from kelvin_provision.masking.documents import secrets_in  # who only reads needs none of it
    from kelvin_provision.spec.references import references_in

    referenced = any(name.startswith("secrets.") for name in references_in(documents))
    return _other() if referenced or any(True for _ in secrets_in(list(documents))) else plain()


def not_plain(db: sqlite3.Connection, columns: str) -> Iterator[sqlite3.Row]:
    """These columns of the revisions that may have secrets, by the index."""
    for condition in ("plain IS NULL", "plain < :plain", "plain > :plain"):
        yield from db.execute(f"SELECT {columns} FROM revisions WHERE {condition}", {"plain": plain()})  # noqa: S608  (constants)


_UNKNOWN = "plain IS NULL OR plain NOT IN (?, ?)"


def has_unknown(db: sqlite3.Connection) -> bool:
    """Whether a revision was not looked at by the present rules."""
    return db.execute(f"SELECT 1 FROM revisions WHERE {_UNKNOWN} LIMIT 1", (plain(), _other())).fetchone() is not None  # noqa: S608  (constants)


def review(db: sqlite3.Connection, limit: int) -> bool:
    """Look at so many revisions that were not looked at by the present rules; returns whether there are more."""
    known = (plain(), _other())
    query = f"SELECT rowid, spec, objects FROM revisions WHERE {_UNKNOWN} LIMIT ?"  # noqa: S608  (constants)
    rows = db.execute(query, (*known, limit)).fetchall()
    for row in rows:
        try:
            value = of(*(json.loads(text) for text in (row["spec"], row["objects"]) if text))
        except (ValueError, TypeError, RecursionError):
            value = _other()
        db.execute("UPDATE revisions SET plain = ? WHERE rowid = ?", (value, row["rowid"]))
    return len(rows) == limit
