"""A blob on its way: one writer in the whole machine, hashed as it grows, named only when it is right and on disk."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kelvin_provision.errors import DigestMismatch, Locked
from kelvin_provision.files.durable import CHUNK, writing_to
from kelvin_provision.refs import Descriptor

Keep = Callable[[int], None]


class Partial:
    """An open partial download. `offset` is how many bytes are there; it grows with `write`.

    `keep` gives the checked and synced file its name, `reject` puts it aside; both are the store's.
    """

    def __init__(self, blob: Descriptor, descriptor: int, *, keep: Keep, reject: Callable[[], Path]) -> None:
        self.blob = blob
        self.offset = 0
        self._descriptor = descriptor
        self._keep = keep
        self._reject = reject
        self._algorithm, _, self._want = blob.digest.partition(":")
        self._hash = hashlib.new(self._algorithm)
        self._resume()

    def _resume(self) -> None:
        """Rebuild the hash from the disk, and not from memory of an earlier run: only what is on the disk counts."""
        if os.fstat(self._descriptor).st_size > self.blob.size:
            self.restart()
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        while chunk := os.read(self._descriptor, CHUNK):
            self._hash.update(chunk)
            self.offset += len(chunk)

    def restart(self) -> None:
        """Forget every byte: the source begins the blob anew."""
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        self._hash = hashlib.new(self._algorithm)
        self.offset = 0

    def write(self, chunk: bytes) -> None:
        """Append; on a full disk raises NoSpace with `offset` true to what was written."""
        if self.offset + len(chunk) > self.blob.size:
            raise DigestMismatch(f"{self.blob.digest}: more than the {self.blob.size} bytes promised; put aside as {self._reject()}")
        rest = memoryview(chunk)
        with writing_to(Path(self.blob.digest)):
            while rest:
                written = os.write(self._descriptor, rest)
                self._hash.update(rest[:written])
                self.offset += written
                rest = rest[written:]

    def commit(self) -> None:
        """Check size and digest, sync, give it its name. Raises DigestMismatch: wrong bytes are put aside, too few are kept."""
        if self.offset != self.blob.size:
            raise DigestMismatch(f"{self.blob.digest}: only {self.offset} of {self.blob.size} bytes")
        if self._hash.hexdigest() != self._want:
            got = f"{self._algorithm}:{self._hash.hexdigest()[:12]}"
            raise DigestMismatch(f"{self.blob.digest}: the bytes are those of {got}; put aside as {self._reject()}")
        with writing_to(Path(self.blob.digest)):
            os.fsync(self._descriptor)
        self._keep(self._descriptor)


def _same_file(descriptor: int, path: Path) -> bool:
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    mine = os.fstat(descriptor)
    return (mine.st_ino, mine.st_dev) == (found.st_ino, found.st_dev)


def _lock(descriptor: int, path: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Locked(f"{path.name} is being downloaded by another process") from None
    return _same_file(descriptor, path)


@contextmanager
def locked(path: Path, *, create: bool = True) -> Iterator[int]:
    """The file at `path`, held by us alone until the block ends. Raises Locked while another process or thread has it.

    The lock is on the file itself, so it is gone with its holder; a file that was renamed or removed between opening
    and locking is opened anew. With `create=False` a missing file raises FileNotFoundError.
    """
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | (os.O_CREAT if create else 0)
    while True:
        descriptor = os.open(path, flags, 0o600)
        try:
            if _lock(descriptor, path):
                yield descriptor
                return
        finally:
            os.close(descriptor)
