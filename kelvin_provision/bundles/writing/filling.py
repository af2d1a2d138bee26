"""The archive from the first chunk on, into buffers. What has a digest is hashed on its way: a disk may have changed under the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO

from kelvin_provision.bundles import limits
from kelvin_provision.bundles.model import Extent
from kelvin_provision.errors import DigestMismatch
from kelvin_provision.files.hashing import Hasher

Content = Callable[[Extent], BinaryIO]
"""Opens what has this digest. Raises DigestMismatch for what is missing or of another size."""


def spans(start: int, end: int) -> Iterator[tuple[int, int]]:
    """Offset and size of each chunk from here on, by the grid of absolute offsets."""
    while start < end:
        size = min(limits.CHUNK - start % limits.CHUNK, end - start)
        yield start, size
        start += size


class Filler:
    """Fills buffers with the archive, in order. Close it when it is not read to its end."""

    def __init__(self, pieces: Iterator[bytes | Extent], content: Content) -> None:
        self._content = content
        self._pieces = pieces
        self._known = memoryview(b"")
        self._extent: Extent | None = None
        self._file: BinaryIO | None = None
        self._hasher = Hasher()

    def close(self) -> None:
        if self._file:
            self._file.close()
            self._file = None

    def fill(self, view: memoryview) -> None:
        """The whole view. Raises DigestMismatch."""
        done = 0
        while done < len(view):
            if self._file:
                done += self._read(view[done:])
            elif self._known:
                size = min(len(self._known), len(view) - done)
                view[done : done + size] = self._known[:size]
                self._known = self._known[size:]
                done += size
            else:
                self._next()

    def _next(self) -> None:
        piece = next(self._pieces)
        if isinstance(piece, Extent):
            self._extent, self._hasher = piece, Hasher.like(piece.digest)
            self._file = self._content(piece)
            if not piece.size:
                self._ended(piece)
        else:
            self._known = memoryview(piece)

    def _read(self, view: memoryview) -> int:
        extent, file = self._extent, self._file
        if extent is None or file is None:
            raise AssertionError
        part = view[: min(len(view), extent.size - self._hasher.size)]
        size: int = file.readinto(part)  # type: ignore[attr-defined]
        if not size:
            raise DigestMismatch(f"{extent.digest}: {extent.size - self._hasher.size} of {extent.size} bytes are missing in the store")
        self._hasher.update(part[:size])
        if self._hasher.size == extent.size:
            self._ended(extent)
        return size

    def _ended(self, extent: Extent) -> None:
        self.close()
        if self._hasher.digest != extent.digest:
            raise DigestMismatch(f"{extent.digest}: the content in the store has digest {self._hasher.short_digest}")
