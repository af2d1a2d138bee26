"""The image store on disk: what it has of images, leases, reservations, names and garbage collection. It knows no network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import astuple, replace
from pathlib import Path

from kelvin_provision.files.durable import private_folder
from kelvin_provision.refs import Descriptor, is_digest
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.rebuilt import PlainLayers, diff_ids
from kelvin_provision.spec.signatures import SignatureFiles
from kelvin_provision.store import index
from kelvin_provision.store.blob_files import BlobFiles
from kelvin_provision.store.deltas import DeltaIndex
from kelvin_provision.store.gc import leases
from kelvin_provision.store.gc.collect import Collector
from kelvin_provision.store.index_file import IndexFile
from kelvin_provision.store.signatures import SignatureIndex, rows, stored
from kelvin_provision.store.space import SpaceRequest


class Store(BlobFiles):
    """The blobs, and the images that they are of: `kept` names the files of one, in whichever form its layers are here."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._index = IndexFile(self.layout.index, self._quarantine)
        self._signatures = SignatureIndex(self.layout.signatures)
        self.deltas = DeltaIndex(self.layout)
        self._collector = Collector(
            self.layout, self._index, self._log, signatures=self._signatures, rebuilt=self._rebuilt, deltas=self.deltas
        )

    # --- images ----------------------------------------------------------------------------------

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

    def progress(self, locks: Iterable[ImageLock]) -> tuple[int, int]:
        """Bytes present and bytes in total of these images and their variants, each blob once, of a delta in place of its layer.

        Also for another process than the downloading one.
        """
        blobs = {blob.digest: blob for lock in locks for blob in lock.blobs_of_all()}.values()
        counts = [self.progress_of(blob) for blob in blobs]
        return sum(here for here, _ in counts), sum(total for _, total in counts)

    def progress_of(self, blob: Descriptor) -> tuple[int, int]:
        """The same of one blob."""
        here = self.packed_bytes(blob)
        return (here, blob.size) if here == blob.size else self.deltas.progress(blob, self.bytes_present)

    def signatures(self, lock: ImageLock) -> tuple[SignatureFiles, ...]:
        """Those of an image that were kept."""
        return self._signatures.of(lock.source.digest)

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

    # --- leases and reservations -----------------------------------------------------------------

    @contextmanager
    def lease(self, locks: Sequence[ImageLock]) -> Iterator[None]:
        """No process collects a blob of these images, or of their variants, as garbage while the block runs."""
        self.layout.create()
        with leases.lease(self.layout.leases, sorted({blob.digest for lock in locks for blob in lock.blobs_of_all()})):
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

    def _outstanding(self, request: SpaceRequest) -> SpaceRequest:
        """What is reserved for a blob shrinks as the blob grows; one that is rebuilt has holes."""
        if not is_digest(request.name):
            return request
        present = self.bytes_present(Descriptor("", request.name, request.bytes))
        with suppress(OSError):
            present = min(present, self.layout.partial(request.name).stat().st_blocks * 512)
        return replace(request, bytes=request.bytes - present)

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

    def drop(self, blob: Descriptor, keep: Iterable[ImageLock]) -> None:
        """Remove a blob before garbage is collected, unless a kept image or a running download needs it: a stranger may have named it."""
        with self.layout.exclusive():
            if not self._collector.needs(blob.digest, keep):
                for path in (self.path(blob), self.layout.partial(blob.digest)):
                    path.unlink(missing_ok=True)

    def reclaimable(self, keep: Iterable[ImageLock], *, quarantined: bool = False) -> int:
        """The bytes that `collect_garbage` would free. Changes nothing, and creates no store."""
        if not self.layout.images.is_dir():
            return 0
        with self.layout.exclusive():
            return self._collector.measure(keep, quarantined=quarantined)
