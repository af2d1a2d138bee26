"""The bytes of one blob for an upload: in order, from a byte that the registry names, and as many as were announced."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from kelvin_provision.errors import DigestMismatch, FileUnreadable
from kelvin_provision.refs import Descriptor
from kelvin_provision.registry.protocol import Chunks

_SLICE = 1 << 18


class BlobReader:
    """Keeps what a read gave beyond the piece, so that the next piece continues there."""

    def __init__(self, blob: Descriptor, chunks: Chunks) -> None:
        self._blob = blob
        self._chunks = chunks
        self._reader: Iterator[bytes] | None = None
        self._rest, self._at = b"", 0
        """What the reader gave beyond the last piece, and the byte that it begins with."""

    def piece(self, start: int, size: int) -> bytes:
        """The next bytes of the reader that is open; a new one only where an upload goes on somewhere else."""
        reader, rest = (self._reader, self._rest) if start == self._at else (None, b"")
        reader, self._reader = reader or self.all_from(start), None  # one that has raised is not asked again
        data = bytearray(rest)
        while len(data) < size:
            data += next(reader)
        self._reader, self._rest, self._at = reader, bytes(data[size:]), start + size
        return bytes(data[:size])

    def all_from(self, start: int) -> Iterator[bytes]:
        """As many bytes as were announced: a registry would wait for more. Raises DigestMismatch for fewer or more."""
        left = self._blob.size - start
        for chunk in self._read(start):
            left -= len(chunk)
            if left < 0:
                break
            yield chunk
        if left:
            raise DigestMismatch(f"blob {self._blob.digest} has not the {self._blob.size} bytes that it should have", hint="make it again")

    def _read(self, start: int) -> Iterator[bytes]:
        if isinstance(self._chunks, bytes):
            yield from (self._chunks[at : at + _SLICE] for at in range(start, len(self._chunks), _SLICE))
            return
        try:
            yield from chain(self._chunks(start))
        except OSError as error:
            raise FileUnreadable(f"blob {self._blob.digest}: {(error.strerror or str(error)).lower()}") from error
