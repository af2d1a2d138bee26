"""Local names of images: what the runtime was told that a reference with a tag stands for, and what is to be taken back.

A row is written before the runtime is changed, and deleted after it was seen to be changed, so that no name is forgotten in a crash.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.rows import common as rows
from kelvin_provision.ledger.rows.damage import Row
from kelvin_provision.spec.lock import ImageLock


@dataclass(frozen=True)
class LocalName:
    """`required`: a workload needs this name to stand for this image. Otherwise it may still do so, and is to be cleared."""

    name: str
    lock: ImageLock
    required: bool


def local_names(ledger: Ledger) -> tuple[LocalName, ...]:
    """All that can be read."""
    with ledger.reading() as db:
        return tuple(rows.sound(local_name, db.execute("SELECT * FROM local_names ORDER BY name, image")))


def local_name(row: sqlite3.Row) -> LocalName:
    """A row of `local_names`. Raises StateDamaged."""
    cells = Row(row, "local_names", "name", "image")
    name, lock = cells.text("name"), cells.json("lock", ImageLock.from_json)
    if (name, cells.text("image")) != (lock.reference.local_name, lock.name):
        cells.damaged("name")
    return LocalName(name, lock, cells.flag("required"))


def require(ledger: Ledger, names: Mapping[str, ImageLock], *, no_others: bool = False) -> None:
    """From now on these names stand for these images, in one commit; with `no_others`, no other name is required any more."""
    known = local_names(ledger)
    before = {(known_name.name, known_name.lock.name): known_name.required for known_name in known}
    after = {(name, lock.name): True for name, lock in names.items()}
    replaced = {key: False for key in before if key not in after and (no_others or key[0] in names)}
    changed = {key: required for key, required in (after | replaced).items() if before.get(key) is not required}
    if not changed:
        return
    locks = {(known_name.name, known_name.lock.name): known_name.lock for known_name in known}
    locks |= {(name, lock.name): lock for name, lock in names.items()}
    with ledger.writing() as db:
        db.executemany(
            "INSERT OR REPLACE INTO local_names (name, image, lock, required) VALUES (?, ?, ?, ?)",
            [(*key, json.dumps(locks[key].to_json()), int(required)) for key, required in changed.items()],
        )


def forget(ledger: Ledger, names: Collection[LocalName]) -> None:
    """Call it after they were seen not to stand for their images any more."""
    if names:
        with ledger.writing() as db:
            keys = [(name.name, name.lock.name) for name in names]
            db.executemany("DELETE FROM local_names WHERE name = ? AND image = ? AND NOT required", keys)
