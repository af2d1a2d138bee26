"""Freeing what is neither kept nor leased. The caller holds the store's lock."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from kelvin_provision.errors import Locked, NoSpace
from kelvin_provision.files.durable import writing_to
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.store import index
from kelvin_provision.store.blobs.verification_log import VerificationLog
from kelvin_provision.store.deltas import DeltaIndex
from kelvin_provision.store.gc import leases
from kelvin_provision.store.index_file import IndexFile
from kelvin_provision.store.layout import Layout, locked
from kelvin_provision.store.rebuilt import RebuiltIndex
from kelvin_provision.store.signatures import SignatureIndex


class Collector:
    def __init__(
        self,
        layout: Layout,
        index_file: IndexFile,
        log: VerificationLog,
        *,
        signatures: SignatureIndex,
        rebuilt: RebuiltIndex,
        deltas: DeltaIndex,
    ) -> None:
        self._layout = layout
        self._index = index_file
        self._log = log
        self._signatures = signatures
        self._rebuilt = rebuilt
        self._deltas = deltas

    def collect(self, keep: Iterable[ImageLock], *, quarantined: bool) -> int:
        """Names are removed before blobs, so that none is left dangling. Returns the bytes freed."""
        needed = self._needed(keep)
        freed = sum(_remove(path) for path in self._quarantine(() if quarantined else needed))
        freed += self._partials(needed, remove=True)
        with suppress(NoSpace):
            self._keep_names(needed)
        others = (*self._signatures.others(needed), *self._rebuilt.others(needed), *self._deltas.others(needed))
        freed += sum(_remove(path) for path in (*self._blobs(needed), *others))
        self._keep_names(needed)  # on a full disk there was no space for that before
        self._log.rewrite(needed)
        self._remove_temporary_files()
        return freed

    def measure(self, keep: Iterable[ImageLock], *, quarantined: bool) -> int:
        """The bytes that `collect` would free."""
        needed = self._needed(keep)
        paths = (*self._blobs(needed), *self._quarantine(() if quarantined else needed))
        return sum(_reclaimable(path) for path in paths) + self._partials(needed, remove=False)

    def needs(self, digest: str, keep: Iterable[ImageLock]) -> bool:
        """Whether `collect` would leave this blob."""
        return digest in self._needed(keep)

    def _needed(self, keep: Iterable[ImageLock]) -> set[str]:
        leased = (digest for held in leases.held(self._layout.leases) for digest in held)
        images = {blob.digest for lock in keep for blob in lock.blobs_of_all()}.union(leased)
        rebuilt = self._rebuilt.needed(images, lambda digest: self._layout.blob(digest).exists())
        return images.union(self._signatures.needed(images), rebuilt, self._deltas.needed(images))

    def _blobs(self, needed: Container[str]) -> Iterator[Path]:
        """Includes temporary files of writers that died: a living one holds the store's lock, which the caller has now."""
        for algorithm in self._layout.blobs.iterdir():
            yield from (path for path in algorithm.iterdir() if f"{algorithm.name}:{path.name}" not in needed)

    def _quarantine(self, needed: Container[str]) -> list[Path]:
        return [path for path in self._layout.quarantine.iterdir() if path.name.rpartition("-")[0] not in needed]

    def _partials(self, needed: Container[str], *, remove: bool) -> int:
        """The bytes of unneeded partial downloads; one that another process is writing is left alone."""
        total = 0
        for path in list(self._layout.partials.iterdir()):
            algorithm, _, encoded = path.name.partition("-")
            if f"{algorithm}:{encoded}" not in needed:
                with suppress(Locked, FileNotFoundError), locked(path, create=False):
                    total += _remove(path) if remove else _reclaimable(path)
        return total

    def _keep_names(self, needed: Container[str]) -> None:
        self._index.update(lambda entries: index.only(entries, needed))

    def _remove_temporary_files(self) -> None:
        """Left by durable writes that a power cut ended."""
        for path in (self._layout.images / "oci-layout", self._layout.index, self._layout.verification_log):
            for temporary in path.parent.glob(f".{path.name}.*"):
                _remove(temporary)


def _reclaimable(path: Path) -> int:
    """The bytes that are freed with this name; a file with another hard link stays."""
    stats = path.stat()
    return stats.st_size if stats.st_nlink == 1 else 0


def _remove(path: Path) -> int:
    with writing_to(path):
        size = _reclaimable(path)
        path.unlink()
        return size
