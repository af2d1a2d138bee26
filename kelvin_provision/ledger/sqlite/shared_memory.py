"""SQLite's shared memory on filesystems with blocks smaller than its pages.

SQLite extends that file by writing one byte for each page of 4 KiB. With smaller blocks the rest of the page is a hole: on a full disk,
writing to the mapped file then ends the process with SIGBUS, and no error comes before it. On such filesystems the whole file is therefore
allocated, and it is not created if that is impossible.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from kelvin_provision.files.durable import writing_to

PAGE = 4096
SIZE = 64 << 10
"""Bytes: enough for a write-ahead log of 32 MiB."""
ROOM = 128 << 10
"""Bytes that must be there before the file is created: SQLite's shared memory, and a commit."""
_PLENTY = 4 << 20
"""Bytes from which on nothing is tried out."""


def refuse_without_room(path: Path) -> None:
    """Raise NoSpace where the shared memory of this ledger is still to be made and may not fit."""
    blocks = _small_blocks(path)
    if blocks is None or blocks.f_bavail * blocks.f_frsize >= _PLENTY or _is_whole(path):
        return
    import tempfile

    with writing_to(path), tempfile.TemporaryFile(dir=path.parent) as probe:  # what root may use is in no number of the filesystem
        os.posix_fallocate(probe.fileno(), 0, ROOM)


def allocate(path: Path) -> None:
    """Allocate the file that SQLite has made for this ledger, if it has. Raises NoSpace."""
    if _small_blocks(path) is None or _is_whole(path):
        return
    with writing_to(path), suppress(FileNotFoundError):
        descriptor = os.open(_file(path), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            os.posix_fallocate(descriptor, 0, SIZE)
        finally:
            os.close(descriptor)


def _file(path: Path) -> Path:
    return path.with_name(f"{path.name}-shm")


def _is_whole(path: Path) -> bool:
    try:
        status = _file(path).stat()
    except OSError:
        return False
    return status.st_size >= SIZE and status.st_blocks * 512 >= SIZE


def _small_blocks(path: Path) -> os.statvfs_result | None:
    """The filesystem, if its blocks are smaller than a page; None where nothing has to be done."""
    try:
        filesystem = os.statvfs(path.parent)
    except OSError:
        return None
    return filesystem if filesystem.f_frsize < PAGE else None
