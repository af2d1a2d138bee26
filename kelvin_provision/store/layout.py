"""Where the store's files are on disk, and the locks on them.

`images/` is an OCI image layout. Beside it: `partial/` (downloads in progress), `quarantine/` (files with wrong content), `verified` (the
verification log), `signatures/` (which blobs are signatures of an image), `deltas/` (which layers come as deltas), `rebuilt/` (which layers
are kept without compression), `in-use/` (leases of running downloads) and `reserved/` (space reserved for them).
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kelvin_provision.errors import Locked, ManifestInvalid
from kelvin_provision.files.durable import open_own, private_folder, rename_durably, sync_folder, write_durably, writing_to
from kelvin_provision.refs import Descriptor, is_digest
from kelvin_provision.store import index


class Layout:
    """The paths under `root`. Nothing is created before something is written: reading needs no write permission."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.images = root / "images"
        self.blobs = self.images / "blobs"
        self.index = self.images / "index.json"
        self.partials = root / "partial"
        self.quarantine = root / "quarantine"
        self.leases = root / "in-use"
        self.reservations = root / "reserved"
        self.verification_log = root / "verified"
        self.signatures = root / "signatures"
        self.rebuilt = root / "rebuilt"
        self.deltas = root / "deltas"

    def blob(self, digest: str) -> Path:
        """Raises ManifestInvalid for anything but a digest, so that no name leads out of the store."""
        if not is_digest(digest):
            raise ManifestInvalid(f"{digest!r} is not a digest")
        algorithm, _, encoded = digest.partition(":")
        return self.blobs / algorithm / encoded

    def partial(self, digest: str) -> Path:
        path = self.blob(digest)
        return self.partials / f"{path.parent.name}-{path.name}"

    def list_blobs(self) -> list[Descriptor]:
        """Every stored blob, referenced or not, with the size of its file."""
        paths = ((f"{path.parent.name}:{path.name}", path) for path in sorted(self.blobs.glob("*/*")))
        return [Descriptor("", digest, path.stat().st_size) for digest, path in paths if is_digest(digest)]

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """One process and one thread changes names at a time. Held for renames and small writes only, so waiting is short."""
        private_folder(self.root)
        path = self.root / "store.lock"
        descriptor = open_own(path, os.O_RDWR | os.O_CREAT)
        try:
            with writing_to(path):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            self._create()
            yield
        finally:
            os.close(descriptor)

    def create(self) -> None:
        with self.exclusive():
            pass

    def _create(self) -> None:
        """Create what is missing, under the lock, so that no tag is lost."""
        earlier = self.root / "aside"  # the quarantine's first name
        if earlier.is_dir() and not self.quarantine.exists():
            rename_durably(earlier, self.quarantine)
        folders = (self.images, self.blobs, self.blobs / "sha256", self.blobs / "sha512", self.partials, self.quarantine, self.leases)
        for folder in folders:
            if not folder.is_dir():
                private_folder(folder)
                sync_folder(folder.parent)  # a file in the folder is only durable once the folder's own name is
        for path, data in ((self.images / "oci-layout", b'{"imageLayoutVersion":"1.0.0"}'), (self.index, index.encode([]))):
            if not path.exists():
                write_durably(path, [data])


@contextmanager
def locked(path: Path, *, create: bool = True) -> Iterator[int]:
    """The file at `path`, open and held exclusively until the block ends. Raises Locked while another process or thread holds it.

    The kernel drops the lock when its holder dies. A file that was renamed or removed between opening and locking is opened
    again. With `create=False` a missing file raises FileNotFoundError.
    """
    while True:
        descriptor = open_own(path, os.O_RDWR | os.O_CREAT) if create else os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            if _lock(descriptor, path):
                yield descriptor
                return
        finally:
            os.close(descriptor)


def _lock(descriptor: int, path: Path) -> bool:
    """False when `path` has become another file meanwhile."""
    try:
        with writing_to(path):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Locked(f"{path.name} is being downloaded by another process") from None
    try:
        named = path.stat()
    except FileNotFoundError:
        return False
    opened = os.fstat(descriptor)
    return (opened.st_ino, opened.st_dev) == (named.st_ino, named.st_dev)
