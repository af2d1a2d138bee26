"""The contents of a zip as one range of bytes: entry after entry, unpacked, and behind them the documents that are made of it.

Stored entries are read where they are. A deflated one is unpacked from its beginning each time, but for who reads on where the last one
ended; nothing of it is kept.
"""

from __future__ import annotations

import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import accumulate
from threading import Lock
from typing import Self

from kelvin_provision.bundles import limits
from kelvin_provision.bundles.part_file import BLOCK, PartFile
from kelvin_provision.bundles.parts import BundleFiles
from kelvin_provision.bundles.zips.directory import entries_of, wrong
from kelvin_provision.bundles.zips.records import STORED, Entry
from kelvin_provision.errors import BundleDamaged, MediumGone

_PACKED = 64 << 10
"""Bytes that are unpacked at a time."""


class Unpacked:
    """Reads as `Parts` does. `derive` makes the documents; it is called when one of them is read. Any thread may read.

    With `passes`, no more is unpacked than all of it so many times: where a stranger's documents say what is read.
    """

    missing: tuple[int, ...] = ()

    def __init__(self, files: BundleFiles, derive: Callable[[BundleFiles], bytes] | None = None, passes: int = 0) -> None:
        self.files = files
        self._derive = derive
        self._lock = Lock()
        self._file: PartFile | None = None
        self._entries: tuple[Entry, ...] = ()
        self._starts: list[int] = [0]
        self._places: dict[str, int] = {}
        self._documents: bytes | None = None
        self._cursor: _Cursor | None = None
        self._passes = passes
        self.inflated = 0
        """Bytes that were unpacked, also those that were passed over."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        with self._lock:
            self._cursor = None
            if self._file:
                self._file.close()
                self._file = None

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Those with content. Raises BundleInvalid, MediumGone."""
        self._opened()
        return self._entries

    @property
    def total(self) -> int:
        """Bytes of all entries, unpacked."""
        self._opened()
        return self._starts[-1]

    def start_of(self, entry: Entry) -> int:
        """Where its content begins in the range."""
        return self._places[entry.name]

    def pieces(self, offset: int, size: int) -> Iterator[tuple[int, int, int]]:
        """It is one file."""
        yield 1, offset, size

    def read(self, offset: int, size: int) -> Iterator[bytes]:
        """The range in blocks of at most `BLOCK` bytes. Raises BundleDamaged, BundleInvalid, MediumGone."""
        file, end = self._opened(), offset + size
        while offset < min(end, self._starts[-1]):
            number = bisect_right(self._starts, offset) - 1
            entry, at = self._entries[number], offset - self._starts[number]
            count = min(end, self._starts[number + 1]) - offset
            yield from _stored(file, entry, at, count) if entry.method == STORED else self._inflated(file, entry, at, count)
            offset += count
        if offset < end:
            first = offset - self._starts[-1]
            data = self._derived()[first : first + end - offset]
            if len(data) != end - offset:
                raise BundleDamaged(f"the bundle {self.files.name} is not as it was: {end} bytes are needed")
            yield data

    def _opened(self) -> PartFile:
        with self._lock:
            if 1 not in self.files.paths:
                raise MediumGone(f"the zip {self.files.name} is not here")
            if self._file is None:
                self._file = PartFile(self.files.paths[1])
                self._entries = tuple(entry for entry in entries_of(self._file) if entry.size)
                self._starts = [0, *accumulate(entry.size for entry in self._entries)]
                self._places = {entry.name: start for entry, start in zip(self._entries, self._starts, strict=False)}
            return self._file

    def _derived(self) -> bytes:
        if self._documents is None:
            self._documents = self._derive(self.files) if self._derive else b""
        return self._documents

    def _inflated(self, file: PartFile, entry: Entry, at: int, size: int) -> Iterator[bytes]:
        with self._lock:
            cursor, self._cursor = self._cursor, None
        if cursor is None or cursor.entry != entry or cursor.position > at:
            cursor = _Cursor(file, entry)
        while cursor.position < at:
            self._counted(cursor.read(min(BLOCK, at - cursor.position)))
        while size:
            data = self._counted(cursor.read(min(BLOCK, size)))
            size -= len(data)
            yield data
        with self._lock:
            self._cursor = cursor

    def _counted(self, data: bytes) -> bytes:
        self.inflated += len(data)
        if self._passes and self.inflated > self._passes * self._starts[-1] + limits.DOCUMENTS:
            raise wrong(f"to find its images it would have to be unpacked more than {self._passes} times")
        return data


def _stored(file: PartFile, entry: Entry, at: int, size: int) -> Iterator[bytes]:
    for position in range(at, at + size, BLOCK):
        yield file.read(entry.data + position, min(BLOCK, at + size - position))


class _Cursor:
    """A deflated entry from its beginning on."""

    def __init__(self, file: PartFile, entry: Entry) -> None:
        self.entry = entry
        self.position = 0
        self._file = file
        self._at = 0
        self._pending = b""
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._crc = 0

    def read(self, most: int) -> bytes:
        """Some bytes, at least one, where the entry has some left. Raises BundleInvalid, BundleDamaged, MediumGone."""
        data = self._unpacked(most)
        if not data:
            raise wrong(f"{self.entry.name} unpacks to fewer bytes than it says")
        self.position += len(data)
        self._crc = zlib.crc32(data, self._crc)
        if self.position == self.entry.size:
            self._check_end()
        return data

    def _unpacked(self, most: int) -> bytes:
        while not self._inflater.eof:
            if not self._pending:
                size = min(_PACKED, self.entry.packed - self._at)
                if not size:
                    break
                self._pending = self._file.read(self.entry.data + self._at, size)
                self._at += size
            try:
                data = self._inflater.decompress(self._pending, most)
            except zlib.error as error:
                raise BundleDamaged(f"{self.entry.name} cannot be unpacked: {error}") from error
            self._pending = self._inflater.unconsumed_tail
            if data:
                return data
        return b""

    def _check_end(self) -> None:
        if self._unpacked(1):
            raise wrong(f"{self.entry.name} unpacks to more bytes than it says")
        if not self._inflater.eof or self._inflater.unused_data or self._at != self.entry.packed:
            raise wrong(f"{self.entry.name} has other packed bytes than it says")
        if self._crc != self.entry.crc:
            raise BundleDamaged(f"{self.entry.name} has other content than its checksum says")
