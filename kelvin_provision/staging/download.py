"""Downloading images: resolved to locks, then each missing blob once, as many at a time as the link supports."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from kelvin_provision.refs import Descriptor, Platform, Reference
from kelvin_provision.registry.protocol import Blobs, Resolved
from kelvin_provision.spec.lock import ImageLock, every_variant
from kelvin_provision.spec.media_types import ANYTHING, ImageSupport
from kelvin_provision.staging.background import lower_priority
from kelvin_provision.staging.download_progress import DownloadProgress
from kelvin_provision.staging.limits.slots import TransferSlots
from kelvin_provision.staging.threads import StopCheck, run_threads
from kelvin_provision.staging.transfer import BlobTransfer, Transfer
from kelvin_provision.staging.variants import with_variants
from kelvin_provision.store import Store


@dataclass(frozen=True)
class Fetched:
    """Bytes that were present before, and bytes that were downloaded and kept."""

    cached: int
    fetched: int


@contextmanager
def resolved(
    source: Blobs,
    store: Store,
    references: Sequence[Reference],
    platform: Platform,
    support: ImageSupport = ANYTHING,
    *,
    others: Sequence[Platform] = (),
) -> Iterator[tuple[ImageLock, ...]]:
    """The locks, in the order of their references, with variants for the `others`.

    Their manifests and configs are stored, and leased while the block runs. Without the lease, garbage collection in another process would
    remove them before the ledger has the locks.
    """

    def resolve(reference: Reference, node: Platform) -> Resolved:
        return source.resolve(reference, node, support)

    images = [with_variants(resolve(reference, platform), others, resolve) for reference in references]
    locks = tuple(image.lock for image in images)
    with store.lease(locks):
        for image in images:
            for blob in image.lock.blobs_of_all():
                if blob.digest in image.documents:
                    store.put(blob, image.documents[blob.digest])
        yield locks


def fetch(transfer: Transfer, locks: Sequence[ImageLock], *, as_published: bool = False) -> Fetched:
    """Download every missing blob of these images and their variants. `as_published`: a layer that was rebuilt is missing, too.

    Temporary errors are retried while the back-off lasts, which restarts with every byte received. The first error that remains ends
    the other transfers, and partial downloads are kept. Raises it, DownloadWaits when the limits allow no download now, or
    TransferStopped.
    """
    store, limits = transfer.store, transfer.limits
    with store.lease(locks):
        lacking = store.lacking_as_published if as_published else store.lacking
        missing = {blob.digest: (lock.reference, blob) for lock in every_variant(locks) for blob in lacking(lock)}
        present = {digest: store.packed_bytes(blob) for digest, (_, blob) in missing.items()}
        progress = DownloadProgress(locks, present, transfer.progress, interval=transfer.report_interval)
        work: queue.SimpleQueue[tuple[Reference, Descriptor]] = queue.SimpleQueue()
        for item in missing.values():
            work.put(item)
        errors: list[BaseException] = []
        stop = StopCheck(transfer.stop)
        slots = TransferSlots(limits.parallel or limits.concurrency)
        blobs = BlobTransfer(replace(transfer, stop=lambda: bool(errors) or stop()), progress, slots)

        def worker() -> None:
            lower_priority()
            try:
                with suppress(queue.Empty):
                    while not errors:
                        slots.acquire(blobs.stop)
                        blobs.download(*work.get_nowait())
                        slots.release()
            except BaseException as error:  # noqa: BLE001  (carried to the caller's thread)
                errors.append(error)
            finally:
                slots.release()

        count = min(limits.max_transfers, len(missing))
        threads = [threading.Thread(target=worker, name=f"transfer-{number}", daemon=True) for number in range(count)]
        try:
            run_threads(threads, errors, stop)
        finally:
            limits.policy.settle()
        if errors:
            raise errors[0]
        cached, fetched = progress.finish()
        return Fetched(cached, fetched)
