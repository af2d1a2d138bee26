"""The door to SQLite: how it is opened, what a commit promises, and its errors in our words."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kelvin_provision.errors import CannotWrite, Locked, NoSpace, PermissionRefused, ProvisionError, StateDamaged
from kelvin_provision.files.durable import private_folder, writing_to
from kelvin_provision.ledger.schema import migrate
from kelvin_provision.ledger.snapshot import obstacle, take

PATIENCE = 30.0
"""Seconds to wait for another writer; transactions here take milliseconds."""
_NO_WRITING = ("SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_READONLY")


@contextmanager
def speaking_sqlite(path: Path) -> Iterator[None]:
    """The one place that knows what a broken ledger looks like."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise _translated(error, path) from error
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError):
            raise
        raise StateDamaged(f"{path}: {error}") from error


def _translated(error: sqlite3.OperationalError, path: Path) -> ProvisionError:
    """SQLite says `disk I/O error` or `unable to open` of a full disk too, when it is its shared memory that has no room."""
    text, kind = str(error), getattr(error, "sqlite_errorname", "")
    if "full" in text:
        return NoSpace(f"no space left for {path}")
    if "locked" in text or "busy" in text:
        return Locked(f"{path} is held by another process for more than {PATIENCE:.0f} seconds")
    found = obstacle(path) if kind.startswith(_NO_WRITING) else None
    if found is None and kind.startswith("SQLITE_READONLY"):
        return PermissionRefused(f"no permission to write {path}")
    return found or CannotWrite(f"{path}: {text}")


def connect(path: Path) -> sqlite3.Connection:
    """Open and migrate. Where nothing can be written, what stands there: a Snapshot, which takes no writing."""
    private_folder(path.parent)
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return _opened(path)
        except Locked:
            # Several that open a new ledger at once: switching it to WAL is refused at once, without waiting for our turn.
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.01)
        except (NoSpace, CannotWrite, PermissionRefused) as error:
            found = take(path, error)
            if found is None:
                raise
            return found


def _opened(path: Path) -> sqlite3.Connection:
    """WAL: readers never wait for a writer. FULL: a commit has reached the disk when it returns."""
    with speaking_sqlite(path), writing_to(path):
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
