"""The image store on disk: blobs by digest, leases, reservations, names and garbage collection. It knows no network."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import astuple, replace
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from kelvin_provision.errors import CannotWrite
from kelvin_provision.files.durable import FAILING, in_words, private_folder, rename_durably, write_durably, writing_to
from kelvin_provision.files.hashing import verified
from kelvin_provision.refs import Descriptor, is_digest
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.rebuilt import PlainLayers, diff_ids, plain_layer
from kelvin_provision.spec.signatures import SignatureFiles
from kelvin_provision.store import index
from kelvin_provision.store.blobs import ingest
from kelvin_provision.store.blobs.partial import Partial
from kelvin_provision.store.blobs.rehash import digest_on_disk
from kelvin_provision.store.blobs.verification_log import Fingerprint, VerificationLog, fingerprint
from kelvin_provision.store.deltas import DeltaIndex
from kelvin_provision.store.gc import leases
from kelvin_provision.store.gc.collect import Collector
from kelvin_provision.store.index_file import IndexFile
from kelvin_provision.store.layout import Layout, locked
from kelvin_provision.store.quarantine import Quarantine
from kelvin_provision.store.rebuilt import Rebuilding, RebuiltIndex
from kelvin_provision.store.signatures import SignatureIndex, rows, stored
from kelvin_provision.store.space import SpaceRequest


class BlobState(StrEnum):
    """What is known of a blob without reading it."""

    VERIFIED = "verified"
    UNVERIFIED = "not verified since it changed"
    WRONG_SIZE = "of the wrong size"
    MISSING = "missing"


class Store:
    """Nothing is created before something is written: reading needs no write permission.

    A layer that was rebuilt from a delta is kept without compression (ADR 0064), and is here as much as one that was downloaded: `has`
    and `bytes_present` answer for either form. Everything else is about the file of the blob that is named; `kept` names those of an
    image.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.layout = Layout(root)
        self._quarantine = Quarantine(self.layout.quarantine)
        self._log = VerificationLog(self.layout.verification_log)
        self._index = IndexFile(self.layout.index, self._quarantine)
        self._signatures = SignatureIndex(self.layout.signatures)
        self._rebuilt = RebuiltIndex(self.layout.rebuilt)
        self.deltas = DeltaIndex(self.layout)
        self._collector = Collector(
            self.layout, self._index, self._log, signatures=self._signatures, rebuilt=self._rebuilt, deltas=self.deltas
        )

    # --- reading ---------------------------------------------------------------------------------

    def path(self, blob: Descriptor | str) -> Path:
        """Where a blob is, or would be. Raises ManifestInvalid for anything but a digest."""
        return self.layout.blob(blob if isinstance(blob, str) else blob.digest)

    def has(self, blob: Descriptor) -> bool:
        """Whether the blob is stored, and was verified by this program.

        A file that is not in the verification log (a person put it there, the disk was restored) is verified now.
        """
        try:
            stats = self.path(blob).stat()
        except OSError:
            plain = self.plain(blob)
            return plain is not None and self.has_packed(plain)
        if stats.st_size == blob.size and self._log.contains(blob.digest, fingerprint(stats)):
            return True
        return self.verify(blob)

    def has_packed(self, blob: Descriptor) -> bool:
        """As `has`, of exactly these bytes: never for a layer that is here without compression."""
        return self.path(blob).exists() and self.has(blob)

    def plain(self, layer: Descriptor) -> Descriptor | None:
        """The file of a layer that was rebuilt; None where it is here as it was published, or not at all."""
        diff_id = None if self.path(layer).exists() else self._rebuilt.plain(layer.digest)
        with suppress(OSError):
            return plain_layer(layer, diff_id, self.path(diff_id).stat().st_size) if diff_id else None
        return None

    def plain_layers(self, lock: ImageLock) -> PlainLayers:
        """Those of an image that are here without compression, under the digests that its config names."""
        known = diff_ids(lock)
        plain = {layer.digest: self.plain(layer) for layer in lock.layers}
        return {digest: kept for digest, kept in plain.items() if kept and kept.digest == known.get(digest)}

    def kept(self, lock: ImageLock) -> tuple[Descriptor, ...]:
        """The blobs of an image as they are here, or would be: a layer that was rebuilt without its compression."""
        plain = self.plain_layers(lock)
        return tuple(plain.get(blob.digest, blob) for blob in lock.blobs())

    def lacking(self, lock: ImageLock) -> tuple[Descriptor, ...]:
        """The blobs of an image that are not here in a form that it can be imported from."""
        return tuple(blob for blob, kept in zip(lock.blobs(), self.kept(lock), strict=True) if not self.has_packed(kept))

    def lacking_as_published(self, lock: ImageLock) -> tuple[Descriptor, ...]:
        """Those that are not here, or in another form."""
        return tuple(blob for blob in lock.blobs() if not self.has_packed(blob))

    def verify(self, blob: Descriptor, on_read: Callable[[int], None] = lambda _: None) -> bool:
        """Hash a stored blob again from the disk; a wrong one is quarantined. False as well when it is missing.

        `on_read` is called with the number of bytes of every chunk. Raises CannotWrite where nothing can be opened now: a blob that is
        there must not be downloaded again for that.
        """
        path = self.path(blob)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            if error.errno in FAILING:
                raise CannotWrite(in_words(error)) from error
            return False
        try:
            status = os.fstat(descriptor)
            before = fingerprint(status)
            valid = (
                stat.S_ISREG(status.st_mode)
                and digest_on_disk(descriptor, blob.digest.partition(":")[0], on_read) == blob.digest
                and before[1] == blob.size
            )
            if valid and fingerprint(os.fstat(descriptor)) == before:
                with writing_to(path):
                    os.fsync(descriptor)
                if not self._log.contains(blob.digest, before):
                    self._log.add(blob.digest, before)
        finally:
            os.close(descriptor)
        if not valid:
            self._quarantine_blob(path, blob.digest, before)
        return valid

    def state(self, blob: Descriptor) -> BlobState:
        """Without hashing, writing or moving anything."""
        try:
            stats = self.path(blob).stat()
        except OSError:
            return BlobState.MISSING
        if stats.st_size != blob.size:
            return BlobState.WRONG_SIZE
        return BlobState.VERIFIED if self._log.contains(blob.digest, fingerprint(stats)) else BlobState.UNVERIFIED

    def bytes_present(self, blob: Descriptor) -> int:
        """How much of a blob is stored or partially downloaded, by file sizes alone: for progress, never for trust."""
        return blob.size if self.plain(blob) else self.packed_bytes(blob)

    def packed_bytes(self, blob: Descriptor) -> int:
        """As `bytes_present`, of exactly this blob."""
        for path in (self.path(blob), self.layout.partial(blob.digest)):
            try:
                stats = path.stat()
            except OSError:
                continue
            return min(stats.st_size, blob.size)
        return 0

    def is_quarantined(self, digest: str) -> bool:
        return self._quarantine.has(digest)

    def progress(self, locks: Iterable[ImageLock]) -> tuple[int, int]:
        """Bytes present and bytes in total of these images, each blob once, of a delta in place of its layer.

        Also for another process than the downloading one.
        """
        blobs = {blob.digest: blob for lock in locks for blob in lock.blobs()}.values()
        counts = [self.progress_of(blob) for blob in blobs]
        return sum(here for here, _ in counts), sum(total for _, total in counts)

    def progress_of(self, blob: Descriptor) -> tuple[int, int]:
        """The same of one blob."""
        here = self.packed_bytes(blob)
        return (here, blob.size) if here == blob.size else self.deltas.progress(blob, self.bytes_present)

    def signatures(self, lock: ImageLock) -> tuple[SignatureFiles, ...]:
        """Those of an image that were kept."""
        return self._signatures.of(lock.source.digest)

    # --- writing ---------------------------------------------------------------------------------

    def put(self, blob: Descriptor, data: bytes) -> None:
        """Store a small document. Raises DigestMismatch, and then nothing is stored."""
        if self.has(blob):
            return
        path = self.path(blob)
        with self.layout.exclusive():
            write_durably(path, verified([data], blob.digest, blob.size))
            self._log.add(blob.digest, fingerprint(path.stat()))

    def keep_signatures(self, lock: ImageLock, signatures: Sequence[SignatureFiles], documents: Mapping[str, bytes]) -> None:
        """In place of those that were kept; `documents` has the new blobs. They stay as long as the image does.

        What is not in the store in the end is left out: the index names nothing else.
        """
        before = rows(self.signatures(lock))
        if rows(signatures) == before and all(self.has(blob) for signature in signatures for blob in signature.blobs()):
            return
        self.layout.create()
        with leases.lease(self.layout.leases, sorted({blob.digest for signature in signatures for blob in signature.blobs()})):
            there = [kept for signature in signatures if (kept := stored(signature, documents, self))]
            if rows(there) != before:
                with self.layout.exclusive():
                    self._signatures.write(lock.source.digest, there)

    @contextmanager
    def partial(self, blob: Descriptor) -> Iterator[Partial]:
        """The blob's partial download, held exclusively; raises Locked while another holds it. It is kept unless committed."""
        path, target = self.layout.partial(blob.digest), self.path(blob)
        self.layout.create()

        def commit(descriptor: int) -> None:
            with self.layout.exclusive():
                rename_durably(path, target)
                self._log.add(blob.digest, fingerprint(os.fstat(descriptor)))

        with ExitStack() as stack:
            with writing_to(path):
                descriptor = stack.enter_context(locked(path))
            yield Partial(blob, descriptor, on_commit=commit, on_reject=lambda: self._quarantine_blob(path, blob.digest, None))

    def drop_partial_if_complete(self, blob: Descriptor) -> bool:
        """Whether the blob was completed by another before this process got its partial, which must be held and is removed then."""
        if not self.has_packed(blob):
            return False
        self.layout.partial(blob.digest).unlink(missing_ok=True)
        return True

    @contextmanager
    def rebuilding(self, layer: Descriptor, plain: Descriptor) -> Iterator[Rebuilding | None]:
        """An empty file for a layer without compression; None where the layer is here already. Raises Locked while another process has it.

        Until it is committed it is a partial download, from which the next attempt keeps nothing.
        """
        path, target = self.layout.partial(plain.digest), self.path(plain)
        self.layout.create()

        def commit(descriptor: int) -> None:
            with self.layout.exclusive():
                self._rebuilt.write(layer.digest, plain.digest)
                rename_durably(path, target)
                self._log.add(plain.digest, fingerprint(os.fstat(descriptor)))

        with ExitStack() as stack:
            with writing_to(path):
                descriptor = stack.enter_context(locked(path))
                os.ftruncate(descriptor, 0)
            here = self.has_packed(layer)
            if not here and self.has_packed(plain):  # of another image, or as that image was published
                here = True
                with self.layout.exclusive():
                    self._rebuilt.write(layer.digest, plain.digest)
            if here:
                path.unlink(missing_ok=True)
            yield None if here else Rebuilding(plain, descriptor, commit)

    def share(self, plain: Descriptor, file: BinaryIO, stop: Callable[[], bool]) -> bool:
        """Keep an open file of the container runtime, once it is verified, in place of our own with the same bytes: they take space once.

        False where that is not possible or not needed. Raises TransferStopped.
        """
        if not ingest.sharable(self.path(plain), file) or not ingest.matches(plain, file, stop):
            return False
        with self.layout.exclusive():
            return ingest.link_over(file.fileno(), self.path(plain), lambda stats: self._log.add(plain.digest, fingerprint(stats)))

    def drop(self, blob: Descriptor) -> None:
        """Remove a blob that nothing needs any more, and what was downloaded of it, before garbage is collected."""
        with self.layout.exclusive():
            for path in (self.path(blob), self.layout.partial(blob.digest)):
                path.unlink(missing_ok=True)

    def link(self, blob: Descriptor, descriptor: int) -> bool:
        """Hard-link an open file, verified and synced, as this blob; its partial must be held. False where it cannot be linked."""
        with self.layout.exclusive():
            if not ingest.link(descriptor, self.path(blob)):
                return False
            self._log.add(blob.digest, fingerprint(os.fstat(descriptor)))
            self.layout.partial(blob.digest).unlink(missing_ok=True)
        return True

    @contextmanager
    def lease(self, locks: Sequence[ImageLock]) -> Iterator[None]:
        """No process collects a blob of these images as garbage while the block runs."""
        self.layout.create()
        with leases.lease(self.layout.leases, sorted({blob.digest for lock in locks for blob in lock.blobs()})):
            yield

    @contextmanager
    def reserve(self, requests: Sequence[SpaceRequest], admit: Callable[[Sequence[SpaceRequest]], None]) -> Iterator[None]:
        """Later callers in any process see these requests while the block runs and this process lives.

        `admit` gets what others have reserved and raises when it does not fit; never two processes at the same time.
        """
        folder = self.layout.reservations
        with ExitStack() as stack:
            with self.layout.exclusive():
                private_folder(folder)
                admit([self._outstanding(SpaceRequest(*request)) for held in leases.held(folder) for request in held])
                stack.enter_context(leases.lease(folder, [astuple(request) for request in requests]))
            yield

    # --- names and garbage -----------------------------------------------------------------------

    def tag(self, lock: ImageLock) -> None:
        """Name an image in index.json, for other tools and people. Idempotent: a repetition writes nothing."""
        with self.layout.exclusive():
            self._index.update(lambda entries: index.tag(entries, lock))

    def untag(self, lock: ImageLock) -> None:
        """Remove an image from index.json; its blobs stay until `collect_garbage`."""
        with self.layout.exclusive():
            self._index.update(lambda entries: index.untag(entries, lock))

    def is_leased(self) -> bool:
        """Whether a process needs blobs that no revision may need any more."""
        return self.layout.leases.is_dir() and any(True for _ in leases.held(self.layout.leases))

    def collect_garbage(self, keep: Iterable[ImageLock], *, quarantined: bool = False) -> int:
        """Remove what no kept image and no running download needs; returns the bytes freed. With `quarantined`, everything there, too."""
        with self.layout.exclusive():
            return self._collector.collect(keep, quarantined=quarantined)

    def reclaimable(self, keep: Iterable[ImageLock], *, quarantined: bool = False) -> int:
        """The bytes that `collect_garbage` would free. Changes nothing, and creates no store."""
        if not self.layout.images.is_dir():
            return 0
        with self.layout.exclusive():
            return self._collector.measure(keep, quarantined=quarantined)

    # --- internals -------------------------------------------------------------------------------

    def _outstanding(self, request: SpaceRequest) -> SpaceRequest:
        """What is reserved for a blob shrinks as the blob grows; one that is rebuilt has holes."""
        if not is_digest(request.name):
            return request
        present = self.bytes_present(Descriptor("", request.name, request.bytes))
        with suppress(OSError):
            present = min(present, self.layout.partial(request.name).stat().st_blocks * 512)
        return replace(request, bytes=request.bytes - present)

    def _quarantine_blob(self, path: Path, digest: str, wrong: Fingerprint | None) -> Path:
        """`wrong` identifies the file that was found wrong: another one that took its place meanwhile stays."""
        with self.layout.exclusive():
            if wrong is not None and path.exists() and fingerprint(path.stat()) != wrong:
                return path
            return self._quarantine.add(path, digest)
