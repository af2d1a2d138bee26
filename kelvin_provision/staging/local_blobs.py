"""Local blobs are not downloaded: what the container runtime has is ingested from there before the network is used (ADR 0016)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from kelvin_provision.errors import PermissionRefused, RuntimeUnreachable
from kelvin_provision.events import Advanced, Progress, Started
from kelvin_provision.runtimes.protocol import Runtime
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.store import Store
from kelvin_provision.store.blobs.ingest import ingest


def ingest_local_blobs(runtime: Runtime, store: Store, locks: Sequence[ImageLock], *, progress: Progress, stop: Callable[[], bool]) -> None:
    """Copy what the store lacks and the runtime has. A blob with wrong or unreadable content is left to the download.

    Raises TransferStopped, NoSpace. A runtime that does not answer does not prevent the download.
    """
    with suppress(RuntimeUnreachable, PermissionRefused), store.lease(locks):
        for lock in locks:
            _ingest_image(runtime, store, lock, progress, stop)


def _ingest_image(runtime: Runtime, store: Store, lock: ImageLock, progress: Progress, stop: Callable[[], bool]) -> None:
    task, started = str(lock.reference), False
    for blob in store.lacking(lock):
        with runtime.open_blob(blob) as file:
            if file is None:
                continue
            if not started:
                started = True
                progress(Started(task, f"copying from {runtime.name}", lock.size))
            if ingest(store, blob, file, stop):
                progress(Advanced(task, *store.progress([lock])))
