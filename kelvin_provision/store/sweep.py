"""Freeing what nobody needs, and saying what running downloads need. Called by the store, under its lock."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Container, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kelvin_provision.errors import Locked
from kelvin_provision.files.durable import writing_to
from kelvin_provision.store.partial import locked


@contextmanager
def lease(folder: Path, digests: set[str]) -> Iterator[None]:
    """A file that lists digests, held by flock: it counts exactly as long as its holder lives."""
    name = f".{os.getpid()}-{os.urandom(6).hex()}"
    with writing_to(folder):
        descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    final = folder / name[1:]
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with writing_to(folder):
            os.write(descriptor, json.dumps(sorted(digests)).encode())
            (folder / name).rename(final)  # seen by others only when it is held and complete
        yield
    finally:
        for path in (folder / name, final):
            path.unlink(missing_ok=True)
        os.close(descriptor)


def leased(folder: Path) -> set[str]:
    """Every digest that a living process holds. Lists of the dead are removed."""
    found: set[str] = set()
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue  # about to be renamed, or of one that died in between: a few bytes
        with suppress(FileNotFoundError):
            try:
                with locked(path, create=False):
                    path.unlink()
            except Locked:
                found.update(json.loads(path.read_bytes()))
    return found


def _digest(algorithm: str, code: str) -> str:
    return f"{algorithm}:{code}"


def _free(path: Path) -> int:
    with writing_to(path):
        size = path.stat().st_size if path.stat().st_nlink == 1 else 0
        path.unlink()
        return size


def blobs(folder: Path, wanted: Container[str]) -> int:
    """Unwanted blobs, and temporary files of writers that died (a living one holds the store's lock, which is ours now)."""
    freed = 0
    for algorithm in folder.iterdir():
        freed += sum(_free(path) for path in algorithm.iterdir() if _digest(algorithm.name, path.name) not in wanted)
    return freed


def litter(folder: Path) -> None:
    """Temporary files of a durable write that a power cut ended."""
    for name in ("oci-layout", "index.json", "verified"):
        for path in folder.glob(f".{name}.*"):
            _free(path)


def partials(folder: Path, wanted: Container[str]) -> int:
    """Unwanted partial downloads that nobody is writing."""
    freed = 0
    for path in folder.iterdir():
        if _digest(*path.name.partition("-")[::2]) not in wanted:
            with suppress(Locked, FileNotFoundError), locked(path, create=False):
                freed += _free(path)
    return freed


def aside(folder: Path, wanted: Container[str]) -> int:
    """What was wrong about blobs that nobody wants any more."""
    return sum(_free(path) for path in folder.iterdir() if path.name.rpartition("-")[0] not in wanted)
