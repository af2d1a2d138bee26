"""Local blobs are not downloaded: what the container runtime has is ingested from there before the network is used (ADR 0016)."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import BinaryIO

from kelvin_provision.errors import Locked, PermissionRefused, RuntimeUnreachable
from kelvin_provision.events import Advanced, Progress, Started
from kelvin_provision.refs import Descriptor
from kelvin_provision.runtimes.protocol import Runtime
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.rebuilt import diff_ids, plain_layer
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
    task, started, plain = str(lock.reference), False, diff_ids(lock)
    for blob in store.lacking(lock):
        for digest in filter(None, (blob.digest, plain.get(blob.digest))):
            with runtime.open_blob(replace(blob, digest=digest)) as file:
                if file is None:
                    continue
                if not started:
                    started = True
                    progress(Started(task, f"copying from {runtime.name}", lock.size))
                if ingest(store, blob, file, stop) if digest == blob.digest else _take_back(store, blob, digest, file, stop):
                    progress(Advanced(task, *store.progress([lock])))
                    break


def _take_back(store: Store, layer: Descriptor, diff_id: str, file: BinaryIO, stop: Callable[[], bool]) -> bool:
    """A layer that was rebuilt before, and that the store has lost: the runtime has it without compression. Only a file has a size."""
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        return False
    plain = plain_layer(layer, diff_id, status.st_size)
    with suppress(Locked):
        with store.rebuilding(layer, plain):
            pass  # what a power cut has left of it goes
        if ingest(store, plain, file, stop):
            with store.rebuilding(layer, plain) as missing:
                return missing is None
    return False
