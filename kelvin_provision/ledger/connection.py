"""The door to SQLite: how it is opened, what a commit promises, and its errors in our words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kelvin_provision.errors import CannotWrite, Locked, NoSpace, PermissionRefused, StateDamaged
from kelvin_provision.files.durable import private_folder
from kelvin_provision.ledger.schema import migrate

PATIENCE = 30.0
"""Seconds to wait for another writer; transactions here take milliseconds."""


@contextmanager
def speaking_sqlite(path: Path) -> Iterator[None]:
    """The one place that knows what a broken ledger looks like."""
    try:
        yield
    except sqlite3.OperationalError as error:
        text = str(error)
        if "full" in text:
            raise NoSpace(f"no space left for {path}") from error
        if "locked" in text or "busy" in text:
            raise Locked(f"{path} is held by another process for more than {PATIENCE:.0f} seconds") from error
        if "readonly" in text:
            raise PermissionRefused(f"no permission to write {path}") from error
        raise CannotWrite(f"{path}: {text}") from error
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError):
            raise
        raise StateDamaged(f"{path}: {error}") from error


def connect(path: Path) -> sqlite3.Connection:
    """Open and migrate. WAL: readers never wait for a writer. FULL: a commit has reached the disk when it returns."""
    private_folder(path.parent)
    with speaking_sqlite(path):
        connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        try:
            if not path.stat().st_size:
                path.chmod(0o600)
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            migrate(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection
