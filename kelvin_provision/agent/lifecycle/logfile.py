"""The log of a detached agent, which may run for years: at most two files of a mebibyte."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

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
        size = log.stat().st_size
        if size <= LIMIT:
            return
        with suppress(OSError):
            _copy_end(log, earlier(log), size)
        os.truncate(log, 0)


def _copy_end(log: Path, target: Path, size: int) -> None:
    """Of a log that is far too large, only the end is kept."""
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb", buffering=0) as sink, log.open("rb", buffering=0) as source:
        source.seek(max(size - 2 * LIMIT, 0))
        while chunk := source.read(CHUNK):
            sink.write(chunk)
