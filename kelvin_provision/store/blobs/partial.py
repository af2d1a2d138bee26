"""A partial download: one writer on the whole machine, hashed as it grows, renamed to its digest only when it is verified and on disk."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from kelvin_provision.errors import DigestMismatch
from kelvin_provision.files.durable import CHUNK, writing_to
from kelvin_provision.files.hashing import Hasher
from kelvin_provision.refs import Descriptor

WRITE_BACK = 4 << 20
"""Bytes after which the disk is told to begin: else it rests while a fast source is read, and all of it waits for the sync at the end."""


class Partial:
    """An open partial download. `offset` is the number of bytes present; it grows with `write`.

    `on_commit` renames the verified and synced file, `on_reject` quarantines it and returns its path; both are the store's.
    """

    def __init__(self, blob: Descriptor, descriptor: int, *, on_commit: Callable[[int], None], on_reject: Callable[[], Path]) -> None:
        self.blob = blob
        self._descriptor = descriptor
        self._on_commit = on_commit
        self._on_reject = on_reject
        self._hasher = Hasher.like(blob.digest)
        self._resume()
        self._begun = self.offset

    @property
    def offset(self) -> int:
        return self._hasher.size

    @property
    def has_digest(self) -> bool:
        """Whether what is present is the blob by its digest, whatever its size was said to be."""
        return self._hasher.digest == self.blob.digest

    def _resume(self) -> None:
        """Hash what is on disk again, rather than keeping a checkpoint of the hash: only what is on disk counts."""
        if os.fstat(self._descriptor).st_size > self.blob.size:
            self.truncate()
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        while chunk := os.read(self._descriptor, CHUNK):
            self._hasher.update(chunk)

    def truncate(self) -> None:
        """Drop every byte: the source restarts the blob at offset 0."""
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        self._hasher = Hasher.like(self.blob.digest)
        self._begun = 0

    def write(self, chunk: bytes) -> None:
        """Append. On a full disk raises NoSpace, and `offset` counts what was written."""
        if self.offset + len(chunk) > self.blob.size:
            raise DigestMismatch(
                f"{self.blob.digest}: received more than the expected {self.blob.size} bytes; quarantined as {self._on_reject()}"
            )
        remaining = memoryview(chunk)
        with writing_to(Path(self.blob.digest)):
            while remaining:
                written = os.write(self._descriptor, remaining)
                self._hasher.update(remaining[:written])
                remaining = remaining[written:]
        if self.offset - self._begun >= WRITE_BACK:
            self._write_back()

    def _write_back(self) -> None:
        """Pages that are dirty are written and stay in memory; the advice is for those that are neither."""
        with suppress(OSError):
            os.posix_fadvise(self._descriptor, self._begun, self.offset - self._begun, os.POSIX_FADV_DONTNEED)
        self._begun = self.offset

    def commit(self) -> None:
        """Verify, sync and rename. Raises DigestMismatch: a blob with wrong content is quarantined, one that is too short stays partial."""
        if self.offset != self.blob.size:
            raise DigestMismatch(f"{self.blob.digest}: only {self.offset} of {self.blob.size} bytes")
        if self._hasher.digest != self.blob.digest:
            actual = self._hasher.short_digest
            raise DigestMismatch(f"{self.blob.digest}: the content has digest {actual}; quarantined as {self._on_reject()}")
        with writing_to(Path(self.blob.digest)):
            os.fsync(self._descriptor)
        self._on_commit(self._descriptor)
