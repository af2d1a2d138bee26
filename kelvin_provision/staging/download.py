"""Download: every blob that is wanted once, fetched once, as many at a time as the link bears, from the byte where it stopped."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from kelvin_provision.errors import DigestMismatch, DownloadWaits, NoSpace, ProvisionError, RegistryUnreachable, TransferStopped
from kelvin_provision.events import Advanced, Finished, Progress, Started
from kelvin_provision.refs import Descriptor, Platform, Reference
from kelvin_provision.registry.protocol import Source, Stream
from kelvin_provision.retry import Backoff
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.staging.background import yield_to_others
from kelvin_provision.staging.limits.limits import MOST, TransferLimits
from kelvin_provision.staging.limits.slots import TransferSlots
from kelvin_provision.staging.threads import Asked, run
from kelvin_provision.store import Store
from kelvin_provision.store.blobs.partial import Partial

PAUSE = 0.1
EVERY = 0.1
"""Seconds between two reports of one image."""


@dataclass(frozen=True)
class Fetched:
    """Bytes that were there already, and bytes that came over the wire and were kept."""

    cached: int
    fetched: int


@contextmanager
def resolved(source: Source, store: Store, references: Sequence[Reference], platform: Platform) -> Iterator[tuple[ImageLock, ...]]:
    """Locks in the order of their references; the small documents they were made from are stored, and held while the block runs.

    Until the ledger has the locks nobody else knows that the documents are wanted: `Store.collect` would take them for litter.
    """
    found = [source.resolve(reference, platform) for reference in references]
    locks = tuple(one.lock for one in found)
    with store.lease(locks):
        for one in found:
            for blob in one.lock.blobs():
                if blob.digest in one.documents:
                    store.put(blob, one.documents[blob.digest])
        yield locks


def fetch(
    source: Source,
    store: Store,
    locks: Sequence[ImageLock],
    *,
    parallel: int | None,
    progress: Progress,
    stop: Callable[[], bool],
    backoff: Backoff,
    link: TransferLimits | None = None,
) -> Fetched:
    """Bring every blob of these images into the store, `parallel` at a time or as many as the link bears.

    Temporary errors are tried again while `backoff` lasts, which begins anew with every byte gained. The first error that stays ends
    the other transfers; partials are kept. Raises it, DownloadWaits when the link may not be used now, or TransferStopped when `stop`
    says so.
    """
    link = link or TransferLimits()
    with store.lease(locks):
        wanted = {blob.digest: (lock.reference, blob) for lock in locks for blob in lock.blobs() if not store.has(blob)}
        tally = Tally(locks, {digest: store.bytes_present(blob) for digest, (_, blob) in wanted.items()}, progress)
        work: queue.SimpleQueue[tuple[Reference, Descriptor]] = queue.SimpleQueue()
        for item in wanted.values():
            work.put(item)
        errors: list[BaseException] = []
        asked = Asked(stop)
        lanes = TransferSlots(parallel or link.width)
        worker = Transfer(source, store, tally, lambda: bool(errors) or asked(), backoff, link, lanes)

        def transfer() -> None:
            yield_to_others()
            try:
                with suppress(queue.Empty):
                    while not errors:
                        lanes.enter(worker.halted)
                        worker.bring(*work.get_nowait())
                        lanes.leave()
            except BaseException as error:  # noqa: BLE001  (carried to the caller's thread)
                errors.append(error)
            finally:
                lanes.leave()

        most = min(parallel or MOST, len(wanted))
        try:
            run([threading.Thread(target=transfer, name=f"transfer-{number}", daemon=True) for number in range(most)], errors, asked)
        finally:
            link.allowance.settle()
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
    link: TransferLimits
    lanes: TransferSlots

    def bring(self, reference: Reference, blob: Descriptor) -> None:
        """One blob, whatever it takes. A wrong one is fetched once more from its first byte; then it is the source that is wrong."""
        try:
            self._complete(reference, blob)
        except DigestMismatch:
            self._complete(reference, blob)

    def _complete(self, reference: Reference, blob: Descriptor) -> None:
        # One open partial over all tries: opening it hashes again what is there, which a link that breaks every minute cannot afford.
        with self.store.partial(blob) as partial:
            if self.store.drop_partial_if_complete(blob):
                return
            delays = self.backoff.delays()
            while partial.offset < blob.size:
                before = partial.offset
                try:
                    self._read(reference, blob, partial)
                except ProvisionError as error:
                    if not error.temporary or isinstance(error, NoSpace | DownloadWaits):
                        raise
                    if getattr(error, "stalled", False):
                        self.lanes.stalled()
                    delays = self.backoff.delays() if partial.offset > before else delays
                    delay, asked = next(delays, None), getattr(error, "retry_after", 0.0)
                    # A registry that wants a long pause gets it from the source; what else is to be downloaded need not wait for it.
                    if delay is None or asked > self.backoff.deadline:
                        raise
                    _wait(max(delay, asked), self.halted)
            partial.commit()

    def _read(self, reference: Reference, blob: Descriptor, partial: Partial) -> None:
        """From one place, until its stream ends or the lane is wanted back."""
        self.link.allowance.check()
        with self.source.blob(reference, blob, partial.offset) as stream:
            if stream.start != partial.offset:
                self.link.allowance.once_more(f"{reference}: {blob.digest}", blob.size)
                partial.truncate()
            ended = self._drain(reference, blob, partial, stream)
        if not ended:
            self.lanes.leave()
            self.lanes.enter(self.halted, begun=True)
        elif partial.offset < blob.size:
            # Whoever sends on may give a blob in pieces of its own: as long as there is one more byte each time, it comes.
            raise RegistryUnreachable(f"{reference}: {blob.digest} ended after {partial.offset} of {blob.size} bytes")

    def _drain(self, reference: Reference, blob: Descriptor, partial: Partial, stream: Stream) -> bool:
        """False when the lane is wanted back before the end."""
        for chunk in stream.chunks:
            self.link.allowance.came(len(chunk))
            if self.halted():
                raise TransferStopped(f"{reference}: stopped; what was downloaded is kept")
            partial.write(chunk)
            self.tally.reached(blob, partial.offset)
            may_stay = self.lanes.came(len(chunk))
            _wait(self.link.pace.took(len(chunk)), self.halted)
            if partial.offset < blob.size:
                self.link.allowance.check()
                if not may_stay:
                    return False
        return True


def _wait(seconds: float, halted: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if halted():
            raise TransferStopped("stopped while waiting; what was downloaded is kept")
        time.sleep(min(PAUSE, left))


class Tally:
    """Bytes by blob, told as bytes by image; a blob that two images share counts in both."""

    def __init__(self, locks: Sequence[ImageLock], missing: dict[str, int], progress: Progress) -> None:
        self._here = {blob.digest: missing.get(blob.digest, blob.size) for lock in locks for blob in lock.blobs()}
        self._before = sum(self._here.values())
        self._parts = {str(lock.reference): (lock.size, frozenset(blob.digest for blob in lock.blobs())) for lock in locks}
        self._incomplete = {task: size for task, (size, parts) in self._parts.items() if not parts.isdisjoint(missing)}
        self._told = dict.fromkeys(self._incomplete, 0.0)
        self._progress = progress
        self._lock = threading.Lock()
        for task, size in self._incomplete.items():
            progress(Started(task, "downloading", size))

    def reached(self, blob: Descriptor, offset: int) -> None:
        """So many bytes of a blob are there."""
        with self._lock:
            self._here[blob.digest] = offset
            now = time.monotonic()
            for task, told in self._told.items():
                size, parts = self._parts[task]
                if now - told >= EVERY and blob.digest in parts:
                    self._told[task] = now
                    self._progress(Advanced(task, sum(self._here[part] for part in parts), size))

    def end(self) -> Fetched:
        """All is here."""
        for task in self._parts:
            self._progress(Finished(task, "fetched" if task in self._incomplete else "cached"))
        return Fetched(self._before, sum(self._here.values()) - self._before)
