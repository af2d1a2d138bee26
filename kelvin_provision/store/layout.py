"""The image store on disk. It knows blobs by digest and believes none that it did not hash; it knows no network.

`<root>/images` is an OCI image layout, `<root>/partial` what is on its way, `<root>/aside` what turned out wrong,
`<root>/verified` the record of what was checked, `<root>/in-use` what running downloads hold, `<root>/reserved` the space for them.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import astuple, replace
from enum import StrEnum
from pathlib import Path

from kelvin_provision.errors import ManifestInvalid, NoSpace
from kelvin_provision.files.durable import (
    private_folder,
    rename_durably,
    verified,
    write_durably,
    writing_to,
)
from kelvin_provision.refs import Descriptor, is_digest
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.store import copying, gc, index
from kelvin_provision.store.folders import hash_of, prepare
from kelvin_provision.store.names import Names
from kelvin_provision.store.partial import Partial, locked
from kelvin_provision.store.quarantine import Aside
from kelvin_provision.store.record import Mark, Record, mark_of
from kelvin_provision.store.space import SpaceRequest


class BlobState(StrEnum):
    """What is known of a blob without reading it."""

    VERIFIED = "verified"
    UNVERIFIED = "not verified since it changed"
    WRONG = "of the wrong size"
    MISSING = "missing"


class Store:
    """Nothing is created before something is written: looking needs no permission to write."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.images = root / "images"
        self.partials = root / "partial"
        self.aside = root / "aside"
        self._wrong = Aside(self.aside)
        self._record = Record(root / "verified")
        self._names = Names(self.images / "index.json", lambda path: self._wrong.take(path, path.name))

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

    def recheck(self, blob: Descriptor, told: Callable[[int], None] = lambda _: None) -> bool:
        """Hash a stored blob again, whatever the record says; a wrong one is set aside. False when it is not there (any more).

        `told` hears of every chunk. What the page cache has of it is dropped first: it is the disk that is asked.
        """
        path = self.path(blob)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return False
        try:
            before = mark_of(os.fstat(descriptor))
            found = hash_of(descriptor, blob.digest.partition(":")[0], told)
            right = found == blob.digest and before[1] == blob.size
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

    def standing(self, blob: Descriptor) -> BlobState:
        """How a blob stands, without hashing, writing or moving anything: for those who only look."""
        try:
            found = self.path(blob).stat()
        except OSError:
            return BlobState.MISSING
        if found.st_size != blob.size:
            return BlobState.WRONG
        return BlobState.VERIFIED if self._record.knows(blob.digest, mark_of(found)) else BlobState.UNVERIFIED

    def present(self, blob: Descriptor) -> int:
        """Bytes of a blob that are there, by file sizes alone: for showing, never for believing."""
        for path in (self.path(blob), self._partial_path(blob)):
            try:
                return min(path.stat().st_size, blob.size)
            except OSError:
                continue
        return 0

    def lies_aside(self, digest: str) -> bool:
        """Whether there is a wrong file of this name to look at."""
        return self._wrong.has(digest)

    def files(self) -> list[Descriptor]:
        """Every blob that is stored, wanted or not, with the size that its file has."""
        found = (self.images / "blobs").glob("*/*")
        blobs = ((f"{path.parent.name}:{path.name}", path) for path in sorted(found))
        return [Descriptor("", digest, path.stat().st_size) for digest, path in blobs if is_digest(digest)]

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

    def settled(self, blob: Descriptor) -> bool:
        """Whether it came some other way before we got its partial, which must be held and then goes."""
        if not self.has(blob):
            return False
        self._partial_path(blob).unlink(missing_ok=True)
        return True

    def adopt(self, blob: Descriptor, descriptor: int) -> bool:
        """A name in here for an open file, checked and synced; the blob's partial must be held. False where it cannot be linked."""
        with self._exclusively():
            if not copying.link(descriptor, self.path(blob)):
                return False
            self._record.add(blob.digest, mark_of(os.fstat(descriptor)))
            self._partial_path(blob).unlink(missing_ok=True)
        return True

    @contextmanager
    def holding(self, locks: Sequence[ImageLock]) -> Iterator[None]:
        """Nothing that these images need is collected while the block runs, in whatever process `collect` is called."""
        self._ready()
        with gc.lease(self.root / "in-use", sorted({blob.digest for lock in locks for blob in lock.blobs()})):
            yield

    @contextmanager
    def reserving(self, needs: Sequence[SpaceRequest], judge: Callable[[Sequence[SpaceRequest]], None]) -> Iterator[None]:
        """These needs are known to all who come later while the block runs, and no longer than this process lives.

        `judge` is told what others have reserved and raises when it does not fit; two processes never judge at the same time.
        """
        folder = self.root / "reserved"
        with ExitStack() as stack:
            with self._exclusively():
                private_folder(folder)
                judge([self._left(SpaceRequest(*need)) for claim in gc.claims(folder) for need in claim])
                stack.enter_context(gc.lease(folder, [astuple(need) for need in needs]))
            yield

    # --- names -----------------------------------------------------------------------------------

    def tag(self, lock: ImageLock) -> None:
        """Name an image in index.json, for other tools and people. Repeating it writes nothing."""
        with self._exclusively():
            self._names.change(lambda entries: index.with_lock(entries, lock))

    def untag(self, lock: ImageLock) -> None:
        """Take an image out of index.json; its bytes stay until `collect`."""
        with self._exclusively():
            self._names.change(lambda entries: index.without_lock(entries, lock))

    def collect(self, keep: Iterable[ImageLock], *, aside: bool = False) -> int:
        """Free what no kept image and no running download needs; returns the bytes. Names go first, so that none is left dangling.

        With `aside`, all that was put aside goes as well.
        """
        with self._exclusively():
            wanted = self._wanted(keep)
            freed = gc.partials(self.partials, wanted) + gc.free(gc.aside(self.aside, () if aside else wanted))
            with suppress(NoSpace):
                self._keep_names(wanted)
            freed += gc.free(gc.blobs(self.images / "blobs", wanted))
            self._keep_names(wanted)  # on a full disk there was no room for that before
            self._record.rewrite(wanted)
            gc.litter(self.images)
            gc.litter(self.root)
            return freed

    def surplus(self, keep: Iterable[ImageLock], *, aside: bool = False) -> int:
        """What `collect` would free. Nothing is touched, and no store is made where there is none."""
        if not self.images.is_dir():
            return 0
        with self._exclusively():
            wanted = self._wanted(keep)
            unwanted = (*gc.blobs(self.images / "blobs", wanted), *gc.aside(self.aside, () if aside else wanted))
            return gc.measure(unwanted) + gc.partials(self.partials, wanted, only_look=True)

    # --- inside ----------------------------------------------------------------------------------

    def _wanted(self, keep: Iterable[ImageLock]) -> set[str]:
        held = (digest for claim in gc.claims(self.root / "in-use") for digest in claim)
        return {blob.digest for lock in keep for blob in lock.blobs()}.union(held)

    def _keep_names(self, wanted: set[str]) -> None:
        self._names.change(lambda entries: index.only(entries, wanted))

    def _left(self, need: SpaceRequest) -> SpaceRequest:
        """What was reserved for a blob shrinks as that one grows."""
        if not is_digest(need.what):
            return need
        return replace(need, bytes=need.bytes - self.present(Descriptor("", need.what, need.bytes)))

    def _partial_path(self, blob: Descriptor) -> Path:
        path = self.path(blob)
        return self.partials / f"{path.parent.name}-{path.name}"

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        """One process and one thread changes names at a time. Held for renames and small writes only, so waiting is short."""
        private_folder(self.root)
        with writing_to(self.root):
            descriptor = os.open(self.root / "store.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            prepare(self.root)
            yield
        finally:
            os.close(descriptor)

    def _ready(self) -> None:
        with self._exclusively():
            pass

    def _set_aside(self, path: Path, digest: str, seen: Mark | None) -> Path:
        """`seen` is the file that was found wrong: another one that took its place meanwhile stays."""
        with self._exclusively():
            if seen is not None and path.exists() and mark_of(path.stat()) != seen:
                return path
            return self._wrong.take(path, digest)
