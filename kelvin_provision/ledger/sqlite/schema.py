"""From each earlier schema to this program's."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from kelvin_provision.errors import ProvisionError, StateDamaged, StateTooNew
from kelvin_provision.ledger.sqlite.migrations import core, doors, fleet

MIGRATIONS: tuple[str, ...] = (*core.STEPS, *doors.STEPS, *fleet.STEPS)
"""Entry N leads from schema N to N + 1; an empty file is schema 0."""
SCHEMA = len(MIGRATIONS)


def _image_name(lock: str) -> str | None:
    """None, which is ignored, for a damaged lock."""
    from kelvin_provision.spec.lock import ImageLock

    try:
        return ImageLock.from_json(json.loads(lock)).name
    except (ValueError, TypeError, KeyError, AttributeError, ProvisionError):
        return None


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the ledger to this program's schema in one transaction a step; raises StateTooNew, StateDamaged."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA:
        raise StateTooNew(f"{path} has schema {version}, this program reads up to {SCHEMA}")
    if version < 0:
        raise StateDamaged(f"{path} has schema {version}, which does not exist")
    if version < SCHEMA:
        connection.create_function("image_name", 1, _image_name, deterministic=True)
    while version < SCHEMA:
        connection.execute("BEGIN IMMEDIATE")
        version = connection.execute("PRAGMA user_version").fetchone()[0]  # another process may have been faster
        if version < SCHEMA:
            for statement in MIGRATIONS[version].split(";\n"):
                connection.execute(statement)
            version += 1
            connection.execute(f"PRAGMA user_version = {version}")
        connection.execute("COMMIT")
