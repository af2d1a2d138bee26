"""Verify: hash every blob of the store again, put wrong ones aside, and say whose they were."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kelvin_provision.errors import ProvisionError
from kelvin_provision.events import Advanced, Finished, Progress, Started
from kelvin_provision.images.inventory import Use, uses
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model import Revision
from kelvin_provision.refs import Descriptor
from kelvin_provision.runtimes.protocol import Runtime
from kelvin_provision.spec.enums import Download
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.staging.background import run_at_low_priority
from kelvin_provision.store import Store

TASK = "the store"


@dataclass(frozen=True)
class Wrong:
    """A blob that is not what it should be. `present` is False for one that is not there although its image was complete.

    `again` says whether the agent fetches it anew by itself; else the runtime's copy of the image is the only one (`loaded`), or none is.
    """

    digest: str
    present: bool
    images: tuple[str, ...]
    uses: tuple[Use, ...]
    again: bool
    loaded: bool


@dataclass(frozen=True)
class Verified:
    """What was looked at, and what was wrong."""

    blobs: int
    bytes: int
    wrong: tuple[Wrong, ...]


def run(ledger: Ledger, store: Store, runtime: Callable[[], Runtime], progress: Progress) -> Verified:
    """Every byte is read at low priority. Needs no lock: what is put aside was wrong, and whoever needs it fetches it anew."""
    files = store.layout.list_blobs()
    revisions = [revision for revision in ledger.revisions() if revision.locks]
    sizes = {blob.digest: blob for revision in revisions for lock in revision.locks or () for blob in lock.blobs()}
    bad: list[str] = []
    run_at_low_priority(lambda: bad.extend(_hashed(files, sizes, store, progress)))
    there = {blob.digest for blob in files}
    whole = {digest for revision in revisions if revision.download is Download.READY for digest in _digests(revision)}
    missing = sorted(whole - there)
    owners = _Owners(ledger, revisions, runtime)
    wrong = [owners.of(digest, present=True) for digest in bad] + [owners.of(digest, present=False) for digest in missing]
    return Verified(len(files), sum(blob.size for blob in files), tuple(wrong))


def _hashed(files: list[Descriptor], sizes: dict[str, Descriptor], store: Store, progress: Progress) -> list[str]:
    """The digests of those that are not right."""
    done, total, wrong = 0, sum(blob.size for blob in files), []
    progress(Started(TASK, "verifying", total))

    def told(count: int) -> None:
        nonlocal done
        done += count
        progress(Advanced(TASK, done, total))

    for blob in files:
        # One that is neither right nor put aside was freed by somebody meanwhile.
        if not store.verify(sizes.get(blob.digest, blob), told) and store.is_quarantined(blob.digest):
            wrong.append(blob.digest)  # noqa: PERF401  (an hour's work reads better as a loop)
    progress(Finished(TASK, "verified"))
    return wrong


def _digests(revision: Revision) -> set[str]:
    return {blob.digest for lock in revision.locks or () for blob in lock.blobs()}


class _Owners:
    """Whose a blob is, and what becomes of it; the runtime is asked once for each image, and one that is silent has nothing."""

    def __init__(self, ledger: Ledger, revisions: list[Revision], runtime: Callable[[], Runtime]) -> None:
        self._ledger = ledger
        self._revisions = revisions
        self._runtime = runtime
        self._uses = uses(ledger)
        self._loaded: dict[str, bool | None] = {}

    def of(self, digest: str, *, present: bool) -> Wrong:
        """The staged revision that needs it and is not whole without it goes back to where the agent takes it up again."""
        of = [(found, [lock for lock in found.locks or () if any(b.digest == digest for b in lock.blobs())]) for found in self._revisions]
        locks = {lock.name: lock for _, found in of for lock in found}
        again = [self._taken_up(revision, found) for revision, found in of if found]
        return Wrong(
            digest,
            present,
            tuple(sorted({str(lock.reference) for lock in locks.values()})),
            tuple(dict.fromkeys(use for name in locks for use in self._uses.get(name, ()))),
            any(again),
            bool(locks) and all(self._has(lock) for lock in locks.values()),
        )

    def _taken_up(self, revision: Revision, locks: list[ImageLock]) -> bool:
        if revision.blocked or not self._ledger.staged_now(revision):
            return False
        if revision.download is not Download.READY:
            return True
        # One that the runtime has can be applied without the network; that must not be taken from it. A silent runtime proves nothing.
        if all(self._has(lock) is not False for lock in locks):
            return False
        self._ledger.set_download(revision, Download.RECEIVED)
        return True

    def _has(self, lock: ImageLock) -> bool | None:
        if lock.name not in self._loaded:
            try:
                self._loaded[lock.name] = self._runtime().has(lock)
            except ProvisionError:
                self._loaded[lock.name] = None
        return self._loaded[lock.name]
