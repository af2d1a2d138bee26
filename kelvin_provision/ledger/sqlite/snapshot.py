"""A copy of the ledger in memory, where SQLite cannot write beside the file: on a full or read-only disk.

SQLite's readers need a file of 32 KiB of shared memory beside a ledger in WAL mode. A box whose disk is full must still say what runs.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import closing
from operator import methodcaller
from pathlib import Path
from typing import Any

from kelvin_provision.errors import CannotWrite, NoSpace, PermissionRefused, ProvisionError
from kelvin_provision.ledger.sqlite.schema import migrate
from kelvin_provision.ledger.sqlite.shared_memory import ROOM, refuse_without_room

TEXT = methodcaller("decode", "utf-8", "surrogateescape")
"""Bytes of a damaged text, which is found where it is read (`ledger.rows.damage`); sqlite3 itself would refuse the row, and quote it."""
_MEMORY = Path("/dev/shm")  # noqa: S108  (a private folder is created in it)


class Snapshot(sqlite3.Connection):
    """The ledger at one moment, read-only. `reason` is why it is not the ledger itself."""

    def __init__(self, *words: Any, **named: Any) -> None:
        super().__init__(*words, **named)
        self.reason: ProvisionError | None = None


def why_not_writable(path: Path) -> ProvisionError | None:
    """Why nothing can be written at this place, by what its filesystem reports; None when it reports no reason."""
    place = path if path.exists() else path.parent
    try:
        filesystem = os.statvfs(place)
    except OSError:
        return None
    if filesystem.f_flag & os.ST_RDONLY:
        return CannotWrite(f"cannot write {path}: {os.strerror(errno.EROFS).lower()}")
    # Root may use the rest where it has all its capabilities; this is asked after an error, and for downloads, which may not.
    if filesystem.f_bavail * filesystem.f_frsize < ROOM or (filesystem.f_files and not filesystem.f_ffree):
        return NoSpace(f"no space left for {path}")
    return None if os.access(place, os.W_OK) else PermissionRefused(f"no permission to write {path}")


def take(path: Path, reason: ProvisionError) -> Snapshot | None:
    """The ledger as it is now, migrated to this program's schema; None when there is none, or it cannot be read."""
    memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False, factory=Snapshot)
    try:
        _fill(memory, path)
        memory.row_factory, memory.text_factory = sqlite3.Row, TEXT
        migrate(memory, path)
        memory.execute("PRAGMA query_only = ON")
    except (OSError, sqlite3.Error, UnicodeDecodeError, NoSpace):
        memory.close()
        return None
    except BaseException:
        memory.close()
        raise
    memory.reason = reason
    return memory


def _fill(memory: sqlite3.Connection, path: Path) -> None:
    wal = path.with_name(f"{path.name}-wal")
    if not path.stat().st_size:
        raise FileNotFoundError(path)
    if not (wal.exists() and wal.stat().st_size):
        # No process has it open, or has written since the last checkpoint: all of it is in the one file.
        _copy(memory, f"{path.absolute().as_uri()}?mode=ro&immutable=1")
        return
    import shutil
    import tempfile  # rarely needed, and every command comes by here

    # The last commits of a process that died are in the second file, and reading that takes shared memory.
    with tempfile.TemporaryDirectory(dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None) as folder:
        for file in (path, wal):
            shutil.copyfile(file, Path(folder) / file.name)
        refuse_without_room(Path(folder) / path.name)
        _copy(memory, (Path(folder) / path.name).as_uri())


def _copy(memory: sqlite3.Connection, uri: str) -> None:
    with closing(sqlite3.connect(uri, uri=True)) as source:
        source.backup(memory)
