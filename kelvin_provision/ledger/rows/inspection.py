"""Looking at every row, for `doctor`: what cannot be read."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator

from kelvin_provision.errors import StateDamaged
from kelvin_provision.hints import command
from kelvin_provision.ledger.history import line_of
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.local_names import local_name
from kelvin_provision.ledger.rows import common as rows
from kelvin_provision.ledger.rows.damage import Row, strings
from kelvin_provision.ledger.rows.listing import stale
from kelvin_provision.spec.lock import ImageLock

_READERS: dict[str, Callable[[sqlite3.Row], object]] = {
    "revisions": rows.revision,
    "operations": rows.operation,
    "orders": rows.order,
    "history": line_of,
    "evidence": lambda row: Row(row, "evidence", "seq").json("lines", strings),
    "images": lambda row: Row(row, "images", "name").json("lock", ImageLock.from_json),
    "local_names": local_name,
    "facts": lambda row: Row(row, "facts", "key").text("value"),
    "traffic": lambda row: Row(row, "traffic", "day").number("bytes"),
    "holds": lambda row: Row(row, "holds", "workload").text("reason"),
}

_RENEW = command("agent restart", instruction="it writes that table again when it starts")


def damage(ledger: Ledger) -> tuple[StateDamaged, ...]:
    """Each row that cannot be read, once."""
    with ledger.reading() as db:
        problems = {str(error): error for error in (*ledger.readable().damaged.values(), *_damage(db))}
    return tuple(problems.values())


def _damage(db: sqlite3.Connection) -> Iterator[StateDamaged]:
    for name in stale(db):
        yield StateDamaged(f"the ledger is damaged: table listing, row {name}", hint=_RENEW)
    for table, read in _READERS.items():
        for row in db.execute(f"SELECT * FROM {table}"):  # noqa: S608  (constants)
            try:
                read(row)
            except StateDamaged as error:
                yield error
