"""Transferring one blob from the source into the store: resumed, retried, and within the limits of the link."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from kelvin_provision.errors import (
    DigestMismatch,
    DownloadWaits,
    ManifestInvalid,
    NoSpace,
    ProvisionError,
    RegistryUnreachable,
    TransferStopped,
)
from kelvin_provision.events import Progress
from kelvin_provision.refs import Descriptor, Reference
from kelvin_provision.registry.protocol import Blobs, Stream
from kelvin_provision.retry import Backoff, Retries
from kelvin_provision.staging.download_progress import DownloadProgress
from kelvin_provision.staging.limits.limits import TransferLimits
from kelvin_provision.staging.limits.slots import TransferSlots
from kelvin_provision.staging.threads import sleep_unless_stopped
from kelvin_provision.store import Partial, Store

CONFIRMATIONS = 2
"""Times that the registry itself must say that a blob has another size than its descriptor."""


@dataclass(frozen=True)
class Transfer:
    """Where blobs come from and go to, within which limits, how errors are retried, and when to stop."""

    source: Blobs
    store: Store
    progress: Progress
    stop: Callable[[], bool]
    backoff: Backoff
    limits: TransferLimits = field(default_factory=TransferLimits)
    report_interval: float = 0.1
    """Seconds between two events of one image."""


class BlobTransfer:
    """Shared by all workers of a download; each transfers one blob at a time, in a slot that it has acquired."""

    def __init__(self, transfer: Transfer, progress: DownloadProgress, slots: TransferSlots) -> None:
        self.stop = transfer.stop
        self._source = transfer.source
        self._store = transfer.store
        self._limits = transfer.limits
        self._backoff = transfer.backoff
        self._progress = progress
        self._slots = slots

    def download(self, reference: Reference, blob: Descriptor) -> None:
        """Raises DigestMismatch when the content is wrong twice: then the source is wrong, and not the connection."""
        try:
            try:
                self._complete(reference, blob)
            except DigestMismatch:
                self._complete(reference, blob)
        except ProvisionError as error:
            error.blob = blob.digest
            raise

    def _complete(self, reference: Reference, blob: Descriptor) -> None:
        # One open partial for all attempts: opening it hashes what is present, which a link that breaks every minute cannot afford.
        with self._store.partial(blob) as partial:
            if self._store.drop_partial_if_complete(blob):
                return
            retries, confirmed = Retries(self._backoff), 0
            while partial.offset < blob.size:
                before = partial.offset
                try:
                    self._receive(reference, partial)
                except (NoSpace, DownloadWaits):
                    raise  # temporary, but not within this download
                except ProvisionError as error:
                    confirmed += getattr(error, "confirmed_size", None) is not None
                    if confirmed == CONFIRMATIONS:
                        raise _wrong_size(reference, blob, getattr(error, "confirmed_size", None)) from error
                    if getattr(error, "slow", False):
                        raise  # it makes progress, so it would be asked for ever; the next attempt begins at another host
                    if getattr(error, "stalled", False):
                        self._slots.record_stall()
                    if partial.offset > before:
                        retries.reset()
                    delay = retries.delay_after(error)
                    if partial.offset == before:
                        self._progress.retry(blob, error, delay)
                    sleep_unless_stopped(delay, self.stop)
            partial.commit()

    def _receive(self, reference: Reference, partial: Partial) -> None:
        """From one host, until its stream ends or the slot must be given up."""
        self._limits.policy.check()
        blob = partial.blob
        with self._source.blob(reference, blob, partial.offset) as stream:
            if stream.start != partial.offset:
                self._limits.policy.check_restart(f"{reference}: {blob.digest}", blob.size)
                partial.truncate()
            ended = self._copy(reference, stream, partial)
        if not ended:
            self._slots.release()
            self._slots.acquire(self.stop, resumed=True)
        elif partial.offset < blob.size and partial.has_digest:
            raise _wrong_size(reference, blob, partial.offset)
        elif partial.offset < blob.size:
            # A proxy may send a blob in parts of its own size: as long as each adds a byte, the download makes progress.
            raise RegistryUnreachable(f"{reference}: blob {blob.digest} ended after {partial.offset} of {blob.size} bytes")

    def _copy(self, reference: Reference, stream: Stream, partial: Partial) -> bool:
        """False when the slot must be given up before the end of the stream."""
        for chunk in stream.chunks:
            self._limits.policy.record_bytes(len(chunk))
            if self.stop():
                raise TransferStopped(f"{reference}: stopped; what was downloaded is kept")
            partial.write(chunk)
            self._progress.advance(partial.blob, partial.offset)
            keeps_slot = self._slots.record_bytes(len(chunk))
            sleep_unless_stopped(self._limits.rate.delay_after(len(chunk)), self.stop)
            if partial.offset < partial.blob.size:
                self._limits.policy.check()
                if not keeps_slot:
                    return False
        return True


def _wrong_size(reference: Reference, blob: Descriptor, size: int | None) -> ManifestInvalid:
    return ManifestInvalid(f"{reference}: {blob.digest} has {size} bytes in the registry, but {blob.size} in the manifest")
