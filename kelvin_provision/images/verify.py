"""Verify: hash every stored blob again, quarantine corrupt ones, and name the images and workloads that need them."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from kelvin_provision.errors import ProvisionError
from kelvin_provision.events import Advanced, Finished, Progress, Started
from kelvin_provision.images.inventory import Use, uses
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model.workloads import Revision
from kelvin_provision.ledger.staging_state import Received
from kelvin_provision.refs import Descriptor
from kelvin_provision.runtimes.protocol import Runtime
from kelvin_provision.spec.enums import Download
from kelvin_provision.spec.lock import ImageLock, every_variant
from kelvin_provision.spec.rebuilt import diff_ids
from kelvin_provision.staging.background import run_at_low_priority
from kelvin_provision.store import Store

TASK = "the store"


@dataclass(frozen=True)
class CorruptBlob:
    """`present` is False for a blob that is missing although its image was complete.

    `redownloaded` tells whether the agent downloads it again by itself; else the runtime's copy of the image is the only one (`loaded`),
    or there is none.
    """

    digest: str
    present: bool
    images: tuple[str, ...]
    uses: tuple[Use, ...]
    redownloaded: bool
    loaded: bool


@dataclass(frozen=True)
class VerifyResult:
    """Number and bytes of all stored blobs, and the corrupt or missing ones."""

    blobs: int
    bytes: int
    corrupt: tuple[CorruptBlob, ...]

    def to_json(self) -> dict[str, Any]:
        return {"blobs": self.blobs, "bytes": self.bytes, "corrupt": [asdict(blob) for blob in self.corrupt]}


def run(ledger: Ledger, store: Store, runtime: Callable[[], Runtime], progress: Progress) -> VerifyResult:
    """Read every byte at low priority. Needs no lock: only corrupt files are moved, and staging downloads them again."""
    stored = store.layout.list_blobs()
    revisions = [revision for revision in ledger.revisions() if revision.locks]
    needed = {blob.digest: blob for revision in revisions for lock in every_variant(revision.locks or ()) for blob in store.kept(lock)}
    quarantined: list[str] = []
    known = {blob.digest for blob in stored}  # also what is quarantined now
    run_at_low_priority(lambda: quarantined.extend(_hash_all(stored, needed, store, progress)))
    complete = [lock for revision in revisions if revision.download is Download.READY for lock in every_variant(revision.locks or ())]
    missing = sorted({digest for lock in complete for digest in _missing(lock, store, known)})
    repair = _Repair(ledger, revisions, runtime)
    corrupt = [repair.blob(digest, present=True) for digest in quarantined] + [repair.blob(digest, present=False) for digest in missing]
    return VerifyResult(len(stored), sum(blob.size for blob in stored), tuple(corrupt))


def _hash_all(stored: list[Descriptor], needed: dict[str, Descriptor], store: Store, progress: Progress) -> list[str]:
    """The digests of corrupt blobs."""
    done, total, corrupt = 0, sum(blob.size for blob in stored), []
    progress(Started(TASK, "verifying", total))

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress(Advanced(TASK, done, total))

    for blob in stored:
        # A blob that is neither valid nor quarantined was removed by garbage collection meanwhile.
        if not store.verify(needed.get(blob.digest, blob), advance) and store.is_quarantined(blob.digest):
            corrupt.append(blob.digest)  # noqa: PERF401  (an hour's work reads better as a loop)
    progress(Finished(TASK, "verified"))
    return corrupt


def _missing(lock: ImageLock, store: Store, known: Container[str]) -> Iterator[str]:
    """What is not here in either form."""
    plain = diff_ids(lock)
    yield from (blob.digest for blob in store.kept(lock) if blob.digest not in known and plain.get(blob.digest) not in known)


def _has(lock: ImageLock, digest: str) -> bool:
    """Whether a blob is one of the image for this platform, compressed or not."""
    return any(blob.digest == digest for blob in lock.blobs()) or digest in diff_ids(lock).values()


class _Repair:
    """What needs a corrupt blob, and whether it is downloaded again. The runtime is asked once per image; a silent one has none.

    Our runtime has no variant for another platform, which has the name of the one that it has.
    """

    def __init__(self, ledger: Ledger, revisions: list[Revision], runtime: Callable[[], Runtime]) -> None:
        self._ledger = ledger
        self._revisions = revisions
        self._runtime = runtime
        self._uses = uses(ledger)
        self._loaded: dict[str, bool | None] = {}

    def blob(self, digest: str, *, present: bool) -> CorruptBlob:
        """Also resets a staged revision that is incomplete without the blob, so that the agent stages it again."""
        affected = [
            (revision, [lock for lock in revision.locks or () if any(_has(each, digest) for each in every_variant([lock]))])
            for revision in self._revisions
        ]
        locks = {lock.name: lock for _, images in affected for lock in images}
        restaged = [self._restage(revision, images, digest) for revision, images in affected if images]
        return CorruptBlob(
            digest,
            present,
            tuple(sorted({str(lock.reference) for lock in locks.values()})),
            tuple(dict.fromkeys(use for name in locks for use in self._uses.get(name, ()))),
            any(restaged),
            bool(locks) and all(self._is_loaded(lock, digest) for lock in locks.values()),
        )

    def _restage(self, revision: Revision, images: list[ImageLock], digest: str) -> bool:
        if revision.slot.failed or not self._ledger.staged_now(revision):
            return False
        if revision.download is not Download.READY:
            return True
        # A revision whose images are in the runtime can be applied without the network, and stays ready. A silent runtime proves nothing.
        if all(self._is_loaded(lock, digest) is not False for lock in images):
            return False
        self._ledger.advance(revision, Received())
        return True

    def _is_loaded(self, lock: ImageLock, digest: str) -> bool | None:
        if not _has(lock, digest):
            return False
        if lock.name not in self._loaded:
            try:
                self._loaded[lock.name] = self._runtime().has(lock)
            except ProvisionError:
                self._loaded[lock.name] = None
        return self._loaded[lock.name]
