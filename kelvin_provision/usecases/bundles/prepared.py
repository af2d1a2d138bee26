"""Packages that are prepared for the API: their own bytes in a small file, their contents in the store, where they are read from.

So a package of 2 GB takes no room: beside what the store has, only headers, hashes and documents are kept.
"""

from __future__ import annotations

import json
import os
from bisect import bisect_right
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from itertools import accumulate
from pathlib import Path
from typing import Self

from kelvin_provision.errors import DigestMismatch, ProvisionError
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.durable import open_own, private_folder, write_durably
from kelvin_provision.store import Store
from kelvin_provision.store.gc import leases

KEPT = 32
"""Packages that stay prepared, the newest ones."""
BLOCK = 256 << 10
_LONGEST = 64 << 20
"""Bytes of one file at most, of which the table of contents and the hashes are the most."""
_HEAD_DIGITS = 12


@dataclass(frozen=True)
class Prepared:
    """`segments` are in order: a digest of the store, or None for bytes of the file, and how many."""

    path: Path
    name: str
    digest: str
    segments: tuple[tuple[str | None, int], ...]
    start: int
    """Where the bytes of the package begin in the file."""

    @property
    def total(self) -> int:
        return sum(size for _, size in self.segments)


def folder(state_dir: Path) -> Path:
    return state_dir / "packages"


def path_of(state_dir: Path, workload: str, revision: int) -> Path:
    return folder(state_dir) / f"{workload}-{revision}.package"


def save(path: Path, name: str, digest: str, parts: Iterable[bytes | tuple[str, int]]) -> None:
    """Durable when it returns; the oldest ones beyond `KEPT` are removed."""
    segments: list[tuple[str | None, int]] = []
    literal: list[bytes] = []
    for part in parts:
        if isinstance(part, bytes):
            literal.append(part)
            if segments and segments[-1][0] is None:
                segments[-1] = (None, segments[-1][1] + len(part))
            else:
                segments.append((None, len(part)))
        elif part[1]:
            segments.append(part)
    head = json.dumps({"name": name, "digest": digest, "segments": segments}).encode()
    private_folder(path.parent)
    write_durably(path, [f"{len(head):0{_HEAD_DIGITS}d}".encode(), head, *literal])
    _forget_oldest(path.parent)


def _forget_oldest(place: Path) -> None:
    with suppress(OSError):
        files = sorted(place.glob("*.package"), key=lambda file: file.stat().st_mtime_ns)
        for old in files[:-KEPT]:
            old.unlink(missing_ok=True)


def forget_all(state_dir: Path) -> None:
    """Of an earlier process, with what a power cut left."""
    with suppress(OSError):
        for path in folder(state_dir).iterdir():
            path.unlink(missing_ok=True)


def load(path: Path, store: Store) -> Prepared | None:
    """None where it is not prepared, or the store lacks a content of it by now."""
    try:
        descriptor = open_own(path, os.O_RDONLY)
    except (OSError, ProvisionError):
        return None
    try:
        length = int(os.pread(descriptor, _HEAD_DIGITS, 0))
        document = json.loads(os.pread(descriptor, min(length, _LONGEST), _HEAD_DIGITS))
        segments = tuple((digest, int(size)) for digest, size in document["segments"])
        prepared = Prepared(path, document["name"], document["digest"], segments, _HEAD_DIGITS + length)
        own = sum(size for digest, size in segments if digest is None)
        whole = os.fstat(descriptor).st_size == prepared.start + own
    except (ValueError, KeyError, TypeError, OSError):
        return None
    finally:
        os.close(descriptor)
    return prepared if whole and all(_has(store, digest, size) for digest, size in segments if digest) else None


def _has(store: Store, digest: str, size: int) -> bool:
    with suppress(OSError, ProvisionError):
        return store.path(digest).stat().st_size == size
    return False


class Reading:
    """The bytes of a prepared package, for one reader. Until it is closed no blob of it is collected as garbage."""

    def __init__(self, prepared: Prepared, store: Store) -> None:
        self._prepared = prepared
        self._store = store
        self._starts = [0, *accumulate(size for _, size in prepared.segments)]
        own = [0 if digest else size for digest, size in prepared.segments]
        self._own = [prepared.start, *(prepared.start + done for done in accumulate(own))]
        self._stack = ExitStack()
        self._open: tuple[int, int] | None = None
        self._stack.enter_context(leases.lease(store.layout.leases, sorted({digest for digest, _ in prepared.segments if digest})))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._close_file()
        self._stack.close()

    def read(self, offset: int, size: int) -> bytes:
        """At most `BLOCK` bytes of one segment from here on. Raises DigestMismatch for content that is not there any more."""
        number = bisect_right(self._starts, offset) - 1
        digest, length = self._prepared.segments[number]
        at = offset - self._starts[number]
        count = min(size, BLOCK, length - at)
        data = os.pread(self._file(number), count, at if digest else self._own[number] + at)
        if len(data) != count:
            raise DigestMismatch(f"{digest or self._prepared.path} is shorter than it was")
        return data

    def _file(self, number: int) -> int:
        if self._open is None or self._open[0] != number:
            self._close_file()
            digest, _ = self._prepared.segments[number]
            path = self._store.path(digest) if digest else self._prepared.path
            try:
                self._open = (number, open_own(path, os.O_RDONLY))
            except (OSError, ProvisionError) as error:
                raise DigestMismatch(f"{path} is not there any more") from error
        return self._open[1]

    def _close_file(self) -> None:
        if self._open:
            os.close(self._open[1])
            self._open = None
