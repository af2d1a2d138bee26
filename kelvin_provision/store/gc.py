"""Freeing what nobody needs, and saying what running downloads need. Called by the store, under its lock."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from kelvin_provision.errors import Locked
from kelvin_provision.files.durable import writing_to
from kelvin_provision.store.partial import locked


@contextmanager
def lease(folder: Path, claim: Any) -> Iterator[None]:
    """A file with a claim in JSON, held by flock: it counts exactly as long as its holder lives."""
    name = f".{os.getpid()}-{os.urandom(6).hex()}"
    with writing_to(folder):
        descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    final = folder / name[1:]
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with writing_to(folder):
            os.write(descriptor, json.dumps(claim).encode())
            (folder / name).rename(final)  # seen by others only when it is held and complete
        yield
    finally:
        for path in (folder / name, final):
            path.unlink(missing_ok=True)
        os.close(descriptor)


def claims(folder: Path) -> Iterator[Any]:
    """What living processes claim. Claims of the dead are removed."""
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue  # about to be renamed, or of one that died in between: a few bytes
        with suppress(FileNotFoundError):
            try:
                with locked(path, create=False):
                    path.unlink()
            except Locked:
                yield json.loads(path.read_bytes())


def _digest(algorithm: str, code: str) -> str:
    return f"{algorithm}:{code}"


def _freeable(path: Path) -> int:
    """Bytes that go with this name; what has another one stays."""
    found = path.stat()
    return found.st_size if found.st_nlink == 1 else 0


def _free(path: Path) -> int:
    with writing_to(path):
        size = _freeable(path)
        path.unlink()
        return size


def blobs(folder: Path, wanted: Container[str]) -> Iterator[Path]:
    """Unwanted blobs, and temporary files of writers that died (a living one holds the store's lock, which is ours now)."""
    for algorithm in folder.iterdir():
        yield from (path for path in algorithm.iterdir() if _digest(algorithm.name, path.name) not in wanted)


def aside(folder: Path, wanted: Container[str]) -> Iterator[Path]:
    """What was wrong about blobs that nobody wants any more."""
    return (path for path in folder.iterdir() if path.name.rpartition("-")[0] not in wanted)


def free(paths: Iterable[Path]) -> int:
    """Remove them; the bytes that are free now."""
    return sum(_free(path) for path in list(paths))


def litter(folder: Path) -> None:
    """Temporary files of a durable write that a power cut ended."""
    for name in ("oci-layout", "index.json", "verified"):
        for path in folder.glob(f".{name}.*"):
            _free(path)


def partials(folder: Path, wanted: Container[str], *, only_look: bool = False) -> int:
    """Remove unwanted partial downloads that nobody is writing, or `only_look` how much that would free."""
    freed = 0
    for path in folder.iterdir():
        if _digest(*path.name.partition("-")[::2]) not in wanted:
            with suppress(Locked, FileNotFoundError), locked(path, create=False):
                freed += _freeable(path) if only_look else _free(path)
    return freed


def measure(paths: Iterable[Path]) -> int:
    """Bytes that `free` would free."""
    return sum(_freeable(path) for path in paths)
