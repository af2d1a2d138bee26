"""SQLite: opening, durability, and translation of its errors."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kelvin_provision.errors import CannotWrite, Locked, NoSpace, PermissionRefused, ProvisionError, StateDamaged, UsageRefused
from kelvin_provision.files.durable import private_folder, writing_to
from kelvin_provision.ledger.sqlite.schema import migrate
from kelvin_provision.ledger.sqlite.shared_memory import allocate, refuse_without_room
from kelvin_provision.ledger.sqlite.snapshot import TEXT, take, why_not_writable

BUSY_TIMEOUT = 30.0
"""Seconds to wait for another writer; transactions here take milliseconds."""
WAL_LIMIT = 4 << 20
"""Bytes that the write-ahead log keeps when SQLite starts it again; while a reader needs it, it grows."""
CACHE = 512
"""KiB of pages that a connection keeps, instead of 2000: agent and API have several each, for months. The kernel has the file anyway."""
_NO_COLUMN = "No item with that key"
"""What a row says that has no column of this name."""
_NO_WRITING = ("SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_READONLY")


@contextmanager
def translated_errors(path: Path) -> Iterator[None]:
    """The only place that translates SQLite's errors, and those of values that it cannot have."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise _translated(error, path) from error
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.ProgrammingError):
            raise
        # Also a constraint: a number that was used once already, for example, comes from a changed row.
        raise StateDamaged(f"{path}: {error}") from error
    except UnicodeDecodeError as error:  # SQLite quotes a damaged name of a table in its message
        raise StateDamaged(f"{path}: its schema is damaged") from error
    except IndexError as error:  # a column has another name
        if str(error) != _NO_COLUMN:
            raise
        raise StateDamaged(f"{path}: its schema is damaged") from error
    except UnicodeEncodeError as error:  # what was typed: the bytes of a command line need not be text
        shown = str(error.object)[:60].encode(errors="backslashreplace").decode()
        raise UsageRefused(f"{shown} is not text: it has bytes that are not UTF-8", hint="type it again in UTF-8") from error
    except MemoryError as error:  # what sqlite3 makes of SQLITE_NOMEM
        raise CannotWrite(f"{path}: not enough memory") from error


def _translated(error: sqlite3.OperationalError, path: Path) -> ProvisionError:
    """SQLite also reports `disk I/O error` or `unable to open` when a full disk has no space for its shared memory."""
    text, kind = str(error), getattr(error, "sqlite_errorname", "")
    if "full" in text:
        return NoSpace(f"no space left for {path}")
    if kind == "SQLITE_ERROR":
        return StateDamaged(f"{path}: {text}")  # another schema than it says, or JSON that is none
    if "locked" in text or "busy" in text:
        return Locked(f"{path} is locked by another process, which did not release it in time")
    reason = why_not_writable(path) if kind.startswith(_NO_WRITING) else None
    if reason is None and kind.startswith("SQLITE_READONLY"):
        return PermissionRefused(f"no permission to write {path}")
    return reason or CannotWrite(f"{path}: {text}")


def connect(path: Path, busy_timeout: float = BUSY_TIMEOUT) -> sqlite3.Connection:
    """Open and migrate. Returns a read-only Snapshot where nothing can be written."""
    private_folder(path.parent)
    deadline = time.monotonic() + busy_timeout
    while True:
        try:
            return _opened(path, busy_timeout)
        except Locked:
            # When several processes open a new ledger, SQLite refuses the switch to WAL immediately instead of waiting.
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.01)
        except (NoSpace, CannotWrite, PermissionRefused) as error:
            snapshot = take(path, error)
            if snapshot is None:
                raise
            return snapshot


def _opened(path: Path, busy_timeout: float) -> sqlite3.Connection:
    """WAL: readers never wait for a writer. FULL: a commit has reached the disk when it returns."""
    with translated_errors(path), writing_to(path):
        refuse_without_room(path)
        connection = sqlite3.connect(path, timeout=busy_timeout, isolation_level=None, check_same_thread=False)
        try:
            if not path.stat().st_size:
                path.chmod(0o600)
            connection.row_factory, connection.text_factory = sqlite3.Row, TEXT
            connection.execute(f"PRAGMA cache_size = -{CACHE}")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT}")
            allocate(path)
            migrate(connection, path)
            allocate(path)  # a new ledger has it only now
        except BaseException:
            connection.close()
            raise
    return connection
