"""Progress of a download: bytes are counted by blob and reported by image."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from kelvin_provision.errors import ProvisionError
from kelvin_provision.events import Advanced, Finished, Progress, Retrying, Started
from kelvin_provision.ledger.staging_state import text_of
from kelvin_provision.refs import Descriptor
from kelvin_provision.spec.lock import ImageLock


class DownloadProgress:
    """Safe for several threads. A blob that two images share counts for both."""

    def __init__(self, locks: Sequence[ImageLock], missing: dict[str, int], progress: Progress, *, interval: float) -> None:
        """`missing` holds the blobs to download, and how many bytes of each are present; `interval` in seconds between two events."""
        self._interval = interval
        self._present = {blob.digest: missing.get(blob.digest, blob.size) for lock in locks for blob in lock.blobs_of_all()}
        self._before = sum(self._present.values())
        sizes = {str(lock.reference): {blob.digest: blob.size for blob in lock.blobs_of_all()} for lock in locks}
        self._images = {task: (sum(blobs.values()), frozenset(blobs)) for task, blobs in sizes.items()}
        self._incomplete = {task: size for task, (size, blobs) in self._images.items() if not blobs.isdisjoint(missing)}
        self._reported = dict.fromkeys(self._incomplete, 0.0)
        self._progress = progress
        self._lock = threading.Lock()
        for task, size in self._incomplete.items():
            progress(Started(task, "downloading", size, self._here(task)))

    def _here(self, task: str) -> int:
        return sum(self._present[digest] for digest in self._images[task][1])

    def advance(self, blob: Descriptor, offset: int) -> None:
        with self._lock:
            self._present[blob.digest] = offset
            now = time.monotonic()
            for task, reported in self._reported.items():
                size, blobs = self._images[task]
                if now - reported >= self._interval and blob.digest in blobs:
                    self._reported[task] = now
                    self._progress(Advanced(task, self._here(task), size))

    def retry(self, blob: Descriptor, error: ProvisionError, delay: float) -> None:
        """An attempt at this blob brought nothing; the next one begins in `delay` seconds."""
        with self._lock:
            for task, size in self._incomplete.items():
                if blob.digest in self._images[task][1]:
                    self._progress(Advanced(task, self._here(task), size))
                    self._progress(Retrying(task, text_of(error), delay, error.code))

    def finish(self) -> tuple[int, int]:
        """Everything is present: bytes that were before, and bytes that were downloaded."""
        for task in self._images:
            self._progress(Finished(task, "downloaded" if task in self._incomplete else "already present"))
        return self._before, sum(self._present.values()) - self._before
