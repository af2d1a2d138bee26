"""The image store on disk. It knows blobs by digest and believes none that it did not hash; it knows no network.

`<root>/images` is an OCI image layout, `<root>/partial` what is on its way, `<root>/aside` what turned out wrong,
`<root>/verified` the record of what was checked, `<root>/in-use` what running downloads hold.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path

from kelvin_provision.errors import ManifestInvalid
from kelvin_provision.files.durable import (
    CHUNK,
    private_folder,
    read_chunks,
    rename_durably,
    sync_folder,
    verified,
    write_durably,
    writing_to,
)
from kelvin_provision.refs import Descriptor, is_digest
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.store import index, sweep
from kelvin_provision.store.partial import Partial, locked
from kelvin_provision.store.record import Mark, Record, mark_of


class Standing(StrEnum):
    """What is known of a blob without reading it."""

    VERIFIED = "verified"
    UNVERIFIED = "not verified since it changed"
    WRONG = "of the wrong size"
    MISSING = "missing"


ASIDE_KEPT = 2
"""Wrong files kept for each digest: enough to look at, too few to fill a disk."""


class Store:
    """Nothing is created before something is written: looking needs no permission to write."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.images = root / "images"
        self.partials = root / "partial"
        self.aside = root / "aside"
        self._record = Record(root / "verified")

    # --- looking ---------------------------------------------------------------------------------

    def path(self, blob: Descriptor | str) -> Path:
        """Where a blob is, or would be. Raises ManifestInvalid for what is no digest, so that no name leads out of the store."""
        digest = blob if isinstance(blob, str) else blob.digest
        if not is_digest(digest):
            raise ManifestInvalid(f"{digest!r} is no digest")
        algorithm, _, code = digest.partition(":")
        return self.images / "blobs" / algorithm / code

    def has(self, blob: Descriptor) -> bool:
        """Whether the blob is there and was verified by us.

        A file that our record does not know (someone put it there, the disk was restored) is hashed once; a wrong one is set aside.
        """
        try:
            found = self.path(blob).stat()
        except OSError:
            return False
        if found.st_size == blob.size and self._record.knows(blob.digest, mark_of(found)):
            return True
        return self.recheck(blob)

    def recheck(self, blob: Descriptor) -> bool:
        """Hash a stored blob again, whatever the record says; a wrong one is set aside. False when it is not there (any more)."""
        path = self.path(blob)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return False
        try:
            before = mark_of(os.fstat(descriptor))
            algorithm, _, want = blob.digest.partition(":")
            hasher = hashlib.new(algorithm)
            while chunk := os.read(descriptor, CHUNK):
                hasher.update(chunk)
            right = hasher.hexdigest() == want and before[1] == blob.size
            if right and mark_of(os.fstat(descriptor)) == before:
                with writing_to(path):
                    os.fsync(descriptor)
                if not self._record.knows(blob.digest, before):
                    self._record.add(blob.digest, before)
        finally:
            os.close(descriptor)
        if not right:
            self._set_aside(path, blob.digest, before)
        return right

    def standing(self, blob: Descriptor) -> Standing:
        """How a blob stands, without hashing, writing or moving anything: for those who only look."""
        try:
            found = self.path(blob).stat()
        except OSError:
            return Standing.MISSING
        if found.st_size != blob.size:
            return Standing.WRONG
        return Standing.VERIFIED if self._record.knows(blob.digest, mark_of(found)) else Standing.UNVERIFIED

    def present(self, blob: Descriptor) -> int:
        """Bytes of a blob that are there, by file sizes alone: for showing, never for believing."""
        for path in (self.path(blob), self._partial_path(blob)):
            try:
                return min(path.stat().st_size, blob.size)
            except OSError:
                continue
        return 0

    def progress(self, locks: Iterable[ImageLock]) -> tuple[int, int]:
        """Bytes done and bytes in all of these images, each blob once. For one who follows from another process."""
        blobs = {blob.digest: blob for lock in locks for blob in lock.blobs()}.values()
        return sum(self.present(blob) for blob in blobs), sum(blob.size for blob in blobs)

    # --- bringing in -----------------------------------------------------------------------------

    def put(self, blob: Descriptor, data: bytes) -> None:
        """Store a small document. Raises DigestMismatch, and then nothing is stored."""
        if self.has(blob):
            return
        path = self.path(blob)
        with self._exclusively():
            write_durably(path, verified([data], blob.digest, blob.size))
            self._record.add(blob.digest, mark_of(path.stat()))

    @contextmanager
    def partial(self, blob: Descriptor) -> Iterator[Partial]:
        """The blob's partial download, for us alone; raises Locked while another has it. Kept on every way out but `commit`."""
        path, target = self._partial_path(blob), self.path(blob)
        self._ready()

        def keep(descriptor: int) -> None:
            with self._exclusively():
                rename_durably(path, target)
                self._record.add(blob.digest, mark_of(os.fstat(descriptor)))

        with ExitStack() as stack:
            with writing_to(path):
                descriptor = stack.enter_context(locked(path))
            yield Partial(blob, descriptor, keep=keep, reject=lambda: self._set_aside(path, blob.digest, None))

    @contextmanager
    def holding(self, locks: Sequence[ImageLock]) -> Iterator[None]:
        """Nothing that these images need is collected while the block runs, in whatever process `collect` is called."""
        self._ready()
        with sweep.lease(self.root / "in-use", {blob.digest for lock in locks for blob in lock.blobs()}):
            yield

    # --- names -----------------------------------------------------------------------------------

    def tag(self, lock: ImageLock) -> None:
        """Name an image in index.json, for other tools and people. Repeating it writes nothing."""
        with self._exclusively():
            entries = self._entries()
            wanted = index.with_lock(entries, lock)
            if sorted(map(str, wanted)) != sorted(map(str, entries)):
                write_durably(self.images / "index.json", [index.encode(wanted)])

    def untag(self, lock: ImageLock) -> None:
        """Take an image out of index.json; its bytes stay until `collect`."""
        with self._exclusively():
            entries = self._entries()
            if (wanted := index.without_lock(entries, lock)) != entries:
                write_durably(self.images / "index.json", [index.encode(wanted)])

    def collect(self, keep: Iterable[ImageLock]) -> int:
        """Free what no kept image and no running download needs; returns the bytes. Names go first, so that none is left dangling."""
        wanted = {blob.digest for lock in keep for blob in lock.blobs()}
        with self._exclusively():
            wanted |= sweep.leased(self.root / "in-use")
            entries = self._entries()
            if (kept := index.only(entries, wanted)) != entries:
                write_durably(self.images / "index.json", [index.encode(kept)])
            freed = sweep.blobs(self.images / "blobs", wanted) + sweep.partials(self.partials, wanted) + sweep.aside(self.aside, wanted)
            self._record.rewrite(wanted)
            sweep.litter(self.images)
            sweep.litter(self.root)
            return freed

    # --- inside ----------------------------------------------------------------------------------

    def _partial_path(self, blob: Descriptor) -> Path:
        path = self.path(blob)
        return self.partials / f"{path.parent.name}-{path.name}"

    def _prepare(self) -> None:
        """Make the folders and the layout's two files where they are missing; the lock must be held, so that no tag is lost."""
        blobs = self.images / "blobs"
        for folder in (self.images, blobs, blobs / "sha256", blobs / "sha512", self.partials, self.aside, self.root / "in-use"):
            if not folder.is_dir():
                private_folder(folder)
                sync_folder(folder.parent)  # what is synced inside is only safe when the folder's own name is
        for name, data in (("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'), ("index.json", index.encode([]))):
            if not (self.images / name).exists():
                write_durably(self.images / name, [data])

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        """One process and one thread changes names at a time. Held for renames and small writes only, so waiting is short."""
        private_folder(self.root)
        with writing_to(self.root):
            descriptor = os.open(self.root / "store.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            self._prepare()
            yield
        finally:
            os.close(descriptor)

    def _ready(self) -> None:
        with self._exclusively():
            pass

    def _entries(self) -> list[index.Entry]:
        path = self.images / "index.json"
        try:
            return index.parse(b"".join(read_chunks(path)))
        except ValueError:
            # Only a damaged disk gets us here. The names are a convenience for other tools: begin anew, keep the wrong one.
            self._move_aside(path, "index.json")
            return []

    def _set_aside(self, path: Path, digest: str, seen: Mark | None) -> Path:
        """`seen` is the file that was found wrong: another one that took its place meanwhile stays."""
        with self._exclusively():
            if seen is not None and path.exists() and mark_of(path.stat()) != seen:
                return path
            return self._move_aside(path, digest)

    def _move_aside(self, path: Path, name: str) -> Path:
        """Out of the way but still there: someone will want to look."""
        places = [self.aside / f"{name}-{number}" for number in range(1, ASIDE_KEPT + 1)]
        target = next((place for place in places if not place.exists()), places[-1])
        try:
            path.replace(target)
        except FileNotFoundError:
            return target
        sync_folder(path.parent)
        return target
