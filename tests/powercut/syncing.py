"""What this process does to bring its writes to the disk, and switching that off."""

import ctypes
import os
from pathlib import Path

from kelvin_provision.ledger.sqlite import connection, database

fsync = os.fsync
"""The real one: an engine syncs its own database, whatever the program does."""


def sync_only(place: Path) -> None:
    """`os.sync()` reaches this filesystem alone: less than it promises, and other disks of this machine have rest."""
    libc = ctypes.CDLL(None, use_errno=True)

    def syncfs() -> None:
        descriptor = os.open(place, os.O_RDONLY)
        try:
            if libc.syncfs(descriptor):
                raise OSError(ctypes.get_errno(), "syncfs")
        finally:
            os.close(descriptor)

    os.sync = syncfs


WAYS = ("files", "ledger", "unpacked")
"""Files and folders of ours, the ledger, and what the engine has unpacked."""


def do_not_sync(*ways: str) -> None:
    """The program goes on as if it had."""
    if "files" in ways:
        os.fsync = os.fdatasync = lambda descriptor: None
    if "unpacked" in ways:
        os.sync = lambda: None
    if "ledger" in ways:
        _unsynced_ledger()


def _unsynced_ledger() -> None:
    opened = connection.connect

    def unsynced(*arguments):
        found = opened(*arguments)
        found.execute("PRAGMA synchronous = OFF")
        return found

    connection.connect = database.connect = unsynced
