"""Download: every blob that is wanted once, fetched once, four at a time, from the byte where it stopped."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from kelvin_provision.errors import DigestMismatch, NoSpace, ProvisionError, TransferStopped
from kelvin_provision.events import Advanced, Finished, Progress, Started
from kelvin_provision.ops.threads import Asked, run
from kelvin_provision.refs import Descriptor, Platform, Reference
from kelvin_provision.registry.protocol import Source
from kelvin_provision.retry import Backoff
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.store import Store
from kelvin_provision.store.partial import Partial

PAUSE = 0.1
EVERY = 0.1
"""Seconds between two reports of one image."""


@dataclass(frozen=True)
class Fetched:
    """Bytes that were there already, and bytes that came over the wire and were kept."""

    cached: int
    fetched: int


def resolve(source: Source, store: Store, references: Sequence[Reference], platform: Platform) -> tuple[ImageLock, ...]:
    """Locks in the order of their references; the small documents they were made from are stored."""
    locks = []
    for reference in references:
        found = source.resolve(reference, platform)
        for blob in found.lock.blobs():
            if blob.digest in found.documents:
                store.put(blob, found.documents[blob.digest])
        locks.append(found.lock)
    return tuple(locks)


def fetch(
    source: Source,
    store: Store,
    locks: Sequence[ImageLock],
    *,
    parallel: int,
    progress: Progress,
    stop: Callable[[], bool],
    backoff: Backoff,
) -> Fetched:
    """Bring every blob of these images into the store.

    Temporary errors are tried again while `backoff` lasts, which begins anew with every byte gained. The first error that stays ends
    the other transfers; partials are kept. Raises it, or TransferStopped when `stop` says so.
    """
    with store.holding(locks):
        wanted = {blob.digest: (lock.reference, blob) for lock in locks for blob in lock.blobs() if not store.has(blob)}
        tally = Tally(locks, {digest: store.present(blob) for digest, (_, blob) in wanted.items()}, progress)
        work: queue.SimpleQueue[tuple[Reference, Descriptor]] = queue.SimpleQueue()
        for item in wanted.values():
            work.put(item)
        errors: list[BaseException] = []
        asked = Asked(stop)
        worker = Transfer(source, store, tally, lambda: bool(errors) or asked(), backoff)

        def transfer() -> None:
            with suppress(queue.Empty):
                while not errors:
                    reference, blob = work.get_nowait()
                    try:
                        worker.bring(reference, blob)
                    except BaseException as error:  # noqa: BLE001  (carried to the caller's thread)
                        errors.append(error)

        threads = [
            threading.Thread(target=transfer, name=f"transfer-{number}", daemon=True) for number in range(min(parallel, len(wanted)))
        ]
        run(threads, errors, asked)
        if errors:
            raise errors[0]
        return tally.end()


@dataclass(frozen=True)
class Transfer:
    """One worker's way of bringing one blob after the other."""

    source: Source
    store: Store
    tally: Tally
    halted: Callable[[], bool]
    backoff: Backoff

    def bring(self, reference: Reference, blob: Descriptor) -> None:
        """One blob, whatever it takes. A wrong one is fetched once more from its first byte; then it is the source that is wrong."""
        try:
            self._complete(reference, blob)
        except DigestMismatch:
            self.tally.begin_over(blob)
            self._complete(reference, blob)

    def _complete(self, reference: Reference, blob: Descriptor) -> None:
        # One open partial over all tries: opening it hashes again what is there, which a link that breaks every minute cannot afford.
        with self.store.partial(blob) as partial:
            delays = self.backoff.delays()
            while partial.offset < blob.size:
                before = partial.offset
                try:
                    self._read(reference, blob, partial)
                except ProvisionError as error:
                    if not error.temporary or isinstance(error, NoSpace):
                        raise
                    delays = self.backoff.delays() if partial.offset > before else delays
                    delay = next(delays, None)
                    if delay is None:
                        raise
                    _wait(max(delay, getattr(error, "retry_after", 0.0)), self.halted)
            partial.commit()

    def _read(self, reference: Reference, blob: Descriptor, partial: Partial) -> None:
        with self.source.blob(reference, blob, partial.offset) as stream:
            if stream.start != partial.offset:
                partial.restart()
                self.tally.begin_over(blob)
            for chunk in stream.chunks:
                if self.halted():
                    raise TransferStopped(f"{reference}: stopped; what was downloaded is kept")
                partial.write(chunk)
                self.tally.gained(blob, len(chunk))
        if partial.offset < blob.size:
            raise DigestMismatch(f"{reference}: {blob.digest} ended after {partial.offset} of {blob.size} bytes")


def _wait(seconds: float, halted: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if halted():
            raise TransferStopped("stopped while waiting for a registry; what was downloaded is kept")
        time.sleep(PAUSE)


class Tally:
    """Bytes by blob, told as bytes by image; a blob that two images share counts in both."""

    def __init__(self, locks: Sequence[ImageLock], missing: dict[str, int], progress: Progress) -> None:
        self._locks = locks
        self._missing = missing
        self._here = {blob.digest: missing.get(blob.digest, blob.size) for lock in locks for blob in lock.blobs()}
        self._before = sum(self._here.values())
        self._told: dict[str, float] = {}
        self._progress = progress
        self._lock = threading.Lock()
        for lock in self._incomplete():
            progress(Started(str(lock.reference), "downloading", lock.size))

    def _incomplete(self) -> Iterator[ImageLock]:
        return (lock for lock in self._locks if any(blob.digest in self._missing for blob in lock.blobs()))

    def gained(self, blob: Descriptor, count: int) -> None:
        """So many bytes of a blob more are there."""
        with self._lock:
            self._here[blob.digest] += count
            now = time.monotonic()
            for lock in self._incomplete():
                task = str(lock.reference)
                if now - self._told.get(task, 0.0) >= EVERY and any(part.digest == blob.digest for part in lock.blobs()):
                    self._told[task] = now
                    self._progress(Advanced(task, sum(self._here[part.digest] for part in lock.blobs()), lock.size))

    def begin_over(self, blob: Descriptor) -> None:
        """The blob begins at its first byte again."""
        with self._lock:
            self._here[blob.digest] = 0

    def end(self) -> Fetched:
        """All is here."""
        for lock in self._locks:
            fetched = any(blob.digest in self._missing for blob in lock.blobs())
            self._progress(Finished(str(lock.reference), "fetched" if fetched else "cached"))
        total = sum(self._here.values())
        return Fetched(self._before, total - self._before)
