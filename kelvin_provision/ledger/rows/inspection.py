"""Looking at every row, for `doctor`: what cannot be read."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator

from kelvin_provision.errors import StateDamaged
from kelvin_provision.hints import command
from kelvin_provision.ledger.history import line_of
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.local_names import local_name
from kelvin_provision.ledger.nodes.places import place_of
from kelvin_provision.ledger.nodes.reading import node_image_of, node_of, token_of
from kelvin_provision.ledger.reading.bundles import bundle_of, medium_of
from kelvin_provision.ledger.reading.trust import trust_of
from kelvin_provision.ledger.rows import common as rows
from kelvin_provision.ledger.rows import following, operations
from kelvin_provision.ledger.rows.damage import Row, damaged, strings
from kelvin_provision.ledger.rows.listing import stale
from kelvin_provision.spec.lock import ImageLock

_READERS: dict[str, Callable[[sqlite3.Row], object]] = {
    "revisions": rows.revision,
    "operations": operations.operation,
    "orders": rows.order,
    "history": line_of,
    "evidence": lambda row: Row(row, "evidence", "seq").json("lines", strings),
    "images": lambda row: Row(row, "images", "name").json("lock", ImageLock.from_json),
    "local_names": local_name,
    "facts": lambda row: Row(row, "facts", "key").text("value"),
    "traffic": lambda row: Row(row, "traffic", "day").number("bytes"),
    "bundles": bundle_of,
    "media": medium_of,
    "trust": trust_of,
    "following": following.publication_of,
    "followed": following.workload_of,
    "brought": following.revision_of,
    "nodes": node_of,
    "node_images": node_image_of,
    "node_tokens": token_of,
    "places": place_of,
    "holds": lambda row: Row(row, "holds", "workload").text("reason"),
}

_CHUNK = 100
_RENEW = command("agent restart", instruction="it writes that table again when it starts")


def damage(ledger: Ledger) -> tuple[StateDamaged, ...]:
    """Each row that cannot be read, once."""
    problems = {str(error): error for error in _unreadable(ledger)}
    with ledger.reading() as db:
        problems |= {str(error): error for error in _damage(db)}
    return tuple(problems.values())


def _unreadable(ledger: Ledger) -> Iterator[StateDamaged]:
    """Of whole workloads; so many are in memory at a time."""
    names = ledger.names()
    for first in range(0, len(names), _CHUNK):
        chunk = names[first : first + _CHUNK]
        readable = ledger.readable(chunk)
        yield from readable.damaged.values()
        for name in {*chunk} - {*readable.workloads, *readable.damaged}:
            if name in ledger.names():  # it was not removed meanwhile: its name is no text
                yield damaged("workloads", [name], "name")


def _damage(db: sqlite3.Connection) -> Iterator[StateDamaged]:
    for name in stale(db):
        yield StateDamaged(f"the ledger is damaged: table listing, row {name}", hint=_RENEW)
    for table, read in _READERS.items():
        for row in db.execute(f"SELECT * FROM {table}"):  # noqa: S608  (constants)
            try:
                read(row)
            except StateDamaged as error:
                yield error
