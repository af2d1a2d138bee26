"""The blobs of the store: files by digest, partial downloads, rebuilt layers, and what is known of each. Knows nothing of images."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from kelvin_provision.errors import CannotWrite, Locked
from kelvin_provision.files.durable import FAILING, in_words, rename_durably, write_durably, writing_to
from kelvin_provision.files.hashing import verified
from kelvin_provision.refs import Descriptor
from kelvin_provision.spec.rebuilt import plain_layer
from kelvin_provision.store.blobs import ingest
from kelvin_provision.store.blobs.partial import Partial
from kelvin_provision.store.blobs.rehash import digest_on_disk
from kelvin_provision.store.blobs.verification_log import Fingerprint, VerificationLog, fingerprint
from kelvin_provision.store.layout import Layout, locked
from kelvin_provision.store.quarantine import Quarantine
from kelvin_provision.store.rebuilt import Rebuilding, RebuiltIndex


class BlobState(StrEnum):
    """What is known of a blob without reading it."""

    VERIFIED = "verified"
    UNVERIFIED = "not verified since it changed"
    WRONG_SIZE = "of the wrong size"
    MISSING = "missing"


class BlobFiles:
    """Nothing is created before something is written: reading needs no write permission.

    A layer that was rebuilt from a delta is kept without compression (ADR 0064), and is here as much as one that was downloaded: `has`
    and `bytes_present` answer for either form. Everything else is about the file of the blob that is named.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.layout = Layout(root)
        self._quarantine = Quarantine(self.layout.quarantine)
        self._log = VerificationLog(self.layout.verification_log)
        self._rebuilt = RebuiltIndex(self.layout.rebuilt)

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

    def verify(self, blob: Descriptor, on_read: Callable[[int], None] = lambda _: None) -> bool:
        """Hash a stored blob again from the disk; a wrong one is quarantined. False as well when it is missing.

        A right digest with another size than `blob` says is wrong in `blob`: False, and what is stored stays, as others need it.
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
            valid = stat.S_ISREG(status.st_mode) and digest_on_disk(descriptor, blob.digest.partition(":")[0], on_read) == blob.digest
            if valid and fingerprint(os.fstat(descriptor)) == before:
                with writing_to(path):
                    os.fsync(descriptor)
                if not self._log.contains(blob.digest, before):
                    self._log.add(blob.digest, before)
        finally:
            os.close(descriptor)
        if not valid:
            self._quarantine_blob(path, blob.digest, before)
        return valid and before[1] == blob.size

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

    # --- writing ---------------------------------------------------------------------------------

    def put(self, blob: Descriptor, data: bytes) -> None:
        """Store a small document. Raises DigestMismatch, and then nothing is stored."""
        if self.has(blob):
            return
        path = self.path(blob)
        with self.layout.exclusive():
            write_durably(path, verified([data], blob.digest, blob.size))
            self._log.add(blob.digest, fingerprint(path.stat()))

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

    def drop_partial(self, blob: Descriptor) -> None:
        """Remove what was downloaded of a blob, unless another process is at it."""
        with suppress(Locked, FileNotFoundError), locked(self.layout.partial(blob.digest), create=False):
            self.layout.partial(blob.digest).unlink()

    def link(self, blob: Descriptor, descriptor: int) -> bool:
        """Hard-link an open file, verified and synced, as this blob; its partial must be held. False where it cannot be linked."""
        with self.layout.exclusive():
            if not ingest.link(descriptor, self.path(blob)):
                return False
            self._log.add(blob.digest, fingerprint(os.fstat(descriptor)))
            self.layout.partial(blob.digest).unlink(missing_ok=True)
        return True

    def _quarantine_blob(self, path: Path, digest: str, wrong: Fingerprint | None) -> Path:
        """`wrong` identifies the file that was found wrong: another one that took its place meanwhile stays."""
        with self.layout.exclusive():
            if wrong is not None and path.exists() and fingerprint(path.stat()) != wrong:
                return path
            return self._quarantine.add(path, digest)
