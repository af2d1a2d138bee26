"""The log of a detached agent, which may run for years: at most two files of a mebibyte."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from kelvin_provision.files.durable import CHUNK

LIMIT = 1 << 20


def earlier(log: Path) -> Path:
    """The path of the previous part of the log."""
    return log.with_name(f"{log.name}.1")


def shorten(log: Path) -> None:
    """Rotate a log that is too large. Never raises, and frees its space even on a full disk.

    In place: its writers have it open for appending, and continue at its new end.
    """
    with suppress(OSError):
        descriptor = os.open(log, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "r+b", buffering=0) as file:
            size = os.fstat(descriptor).st_size
            if size <= LIMIT:
                return
            with suppress(OSError):
                _copy_end(file, earlier(log), size)
            file.truncate(0)


def _copy_end(source: BinaryIO, target: Path, size: int) -> None:
    """Of a log that is far too large, only the end is kept."""
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb", buffering=0) as sink:
        source.seek(max(size - 2 * LIMIT, 0))
        while chunk := source.read(CHUNK):
            sink.write(chunk)
