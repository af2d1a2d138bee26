"""The log of a detached agent, which may live for years: never more than two files of a mebibyte."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from kelvin_provision.files.durable import CHUNK

LIMIT = 1 << 20


def earlier(log: Path) -> Path:
    """Where the part before this one is."""
    return log.with_name(f"{log.name}.1")


def shorten(log: Path) -> None:
    """Put a log that has grown too long aside and begin anew. Never raises, and frees its room even on a full disk.

    In place: its writers have it open for appending, and go on at its new end.
    """
    with suppress(OSError):
        size = log.stat().st_size
        if size <= LIMIT:
            return
        with suppress(OSError):
            _copy_end(log, earlier(log), size)
        os.truncate(log, 0)


def _copy_end(log: Path, target: Path, size: int) -> None:
    """What is far too long, because nobody was there to shorten it, is kept from its end."""
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb", buffering=0) as sink, log.open("rb", buffering=0) as source:
        source.seek(max(size - 2 * LIMIT, 0))
        while chunk := source.read(CHUNK):
            sink.write(chunk)
