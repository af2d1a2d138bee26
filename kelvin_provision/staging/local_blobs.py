"""What is on this box already is not fetched: blobs that the runtime keeps are taken from there before the network is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from kelvin_provision.errors import PermissionRefused, RuntimeUnreachable
from kelvin_provision.events import Advanced, Progress, Started
from kelvin_provision.refs import Descriptor
from kelvin_provision.runtimes.protocol import Runtime
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.store import Store
from kelvin_provision.store.blobs.ingest import ingest


def gather(runtime: Runtime, store: Store, locks: Sequence[ImageLock], *, progress: Progress, stop: Callable[[], bool]) -> None:
    """Take what the store lacks and the runtime has. What is wrong there, or cannot be read, is left for the network.

    Raises TransferStopped, NoSpace. A runtime that does not answer is no reason not to download.
    """
    with suppress(RuntimeUnreachable, PermissionRefused), store.lease(locks):
        for lock in locks:
            _gather(runtime, store, lock, progress, stop)


def _gather(runtime: Runtime, store: Store, lock: ImageLock, progress: Progress, stop: Callable[[], bool]) -> None:
    missing: list[Descriptor] = [blob for blob in lock.blobs() if not store.has(blob)]
    task, told = str(lock.reference), False
    for blob in missing:
        with runtime.open_blob(blob) as file:
            if file is None:
                continue
            if not told:
                told = True
                progress(Started(task, f"taking from {runtime.name}", lock.size))
            if ingest(store, blob, file, stop):
                progress(Advanced(task, *store.progress([lock])))
