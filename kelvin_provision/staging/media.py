"""Images from media: a bundle that is there has precedence over the link, and what it lacks or cannot give is left to the registry."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from kelvin_provision.errors import (
    BundleDamaged,
    DigestMismatch,
    ImageNotFound,
    Locked,
    MediumGone,
    ProvisionError,
    RegistryBusy,
    RegistryUnreachable,
    TransferStopped,
)
from kelvin_provision.events import Advanced, Progress, Started
from kelvin_provision.refs import Descriptor, Platform, Reference
from kelvin_provision.registry.protocol import Blobs, DeltaOffers, Media, Resolved, SignatureDocuments, Stream
from kelvin_provision.spec.lock import ImageLock, every_variant
from kelvin_provision.spec.media_types import ANYTHING, ImageSupport
from kelvin_provision.store import Store

LOOK = 2.0
"""Seconds between two looks for a medium during a download."""
REPORT = 0.1
"""Seconds between two events of one image."""
_LOST_LINK = (RegistryUnreachable, RegistryBusy)


@dataclass(frozen=True)
class WithMedia:
    """Registries and media as one, for a request that came in the bundle with this digest, or in none."""

    source: Blobs
    media: Media
    bundle: str | None

    def resolve(self, reference: Reference, platform: Platform, support: ImageSupport = ANYTHING) -> Resolved:
        """A tag may mean another image elsewhere by now, so the bundle alone speaks for a request of its own, and for no other.

        What it does not have, and what came in none: at the registry, or in any bundle where no registry answers.
        """
        if self.bundle is not None:
            try:
                pinned = self.media.pinned(reference, self.bundle)
            except ImageNotFound:
                pass
            else:
                return self._bundled(self.bundle, pinned, reference, platform, support)
        try:
            return self.source.resolve(reference, platform, support)
        except _LOST_LINK as error:
            try:
                return self.media.resolve(reference, platform, support)
            except ImageNotFound:
                raise error from None

    def _bundled(self, bundle: str, pinned: Reference, reference: Reference, platform: Platform, support: ImageSupport) -> Resolved:
        """What the medium cannot give may come from the registry, by the digest that was accepted with the bundle."""
        try:
            return self.media.resolve(reference, platform, support, bundle=bundle)
        except (MediumGone, BundleDamaged) as trouble:
            try:
                given = self.source.resolve(pinned, platform, support if reference.digest else support.of_a_manifest())
            except ProvisionError as error:
                raise trouble from error
            return replace(given, lock=replace(given.lock, reference=reference))

    def blob(self, reference: Reference, blob: Descriptor, offset: int) -> AbstractContextManager[Stream]:
        return self.source.blob(reference, blob, offset)

    def signatures(self, reference: Reference, digest: str) -> SignatureDocuments:
        return self.source.signatures(reference, digest)

    def deltas(self, reference: Reference, image: Descriptor) -> DeltaOffers:
        return self.source.deltas(reference, image)


MediaTrouble = MediumGone | BundleDamaged
"""Why something that a bundle has was not copied."""


class NoMedia:
    """Where no bundle was ever imported."""

    def resolve(
        self,
        reference: Reference,
        platform: Platform,  # noqa: ARG002  (the protocol's signature)
        support: ImageSupport = ANYTHING,  # noqa: ARG002  (the protocol's signature)
        *,
        bundle: str | None = None,  # noqa: ARG002  (the protocol's signature)
    ) -> Resolved:
        raise ImageNotFound(f"{reference}: no bundle has it")

    def pinned(self, reference: Reference, bundle: str) -> Reference:  # noqa: ARG002  (the protocol's signature)
        raise ImageNotFound(f"{reference}: no bundle has it")

    def blob(self, reference: Reference, blob: Descriptor, offset: int) -> AbstractContextManager[Stream]:  # noqa: ARG002  (the protocol's signature)
        raise ImageNotFound(f"{reference}: no bundle has {blob.digest}")

    def signatures(self, reference: Reference, digest: str) -> SignatureDocuments:  # noqa: ARG002  (the protocol's signature)
        return SignatureDocuments()

    def deltas(self, reference: Reference, image: Descriptor) -> DeltaOffers:  # noqa: ARG002  (the protocol's signature)
        return DeltaOffers()

    def has(self, blob: Descriptor) -> bool:  # noqa: ARG002  (the protocol's signature)
        return False

    def changes(self) -> object:
        return None


def copy_from_media(
    media: Media, store: Store, locks: Sequence[ImageLock], *, progress: Progress, stop: Callable[[], bool]
) -> MediaTrouble | None:
    """Copy what the store lacks and a bundle has, from the byte on at which the last transfer ended, wherever that came from.

    Limits of the link do not apply. Returns the last trouble with it. Raises TransferStopped, NoSpace.
    """
    trouble: MediaTrouble | None = None
    with store.lease(locks):
        for lock in every_variant(locks):
            image = _ImageCopy(media, store, lock, progress, stop)
            for blob in store.lacking(lock):
                if stop():
                    raise TransferStopped(f"{lock.reference}: stopped; what was copied is kept")
                if media.has(blob):
                    trouble = image.copy(blob) or trouble
    return trouble


class _ImageCopy:
    """The blobs of one image, and its progress."""

    def __init__(self, media: Media, store: Store, lock: ImageLock, progress: Progress, stop: Callable[[], bool]) -> None:
        self._media, self._store, self._lock = media, store, lock
        self._progress, self._stop = progress, stop
        self._task = str(lock.reference)
        self._reported: float | None = None

    def copy(self, blob: Descriptor) -> MediaTrouble | None:
        """Twice if the content is wrong: the first bytes may have come from somewhere else."""
        try:
            try:
                self._copy(blob)
            except DigestMismatch:
                self._copy(blob)
        except (ImageNotFound, Locked):
            return None  # no bundle has it, or another process is at it
        except (MediumGone, BundleDamaged) as error:
            return error
        except DigestMismatch as error:
            return BundleDamaged(f"{self._task}: what the medium has is not {blob.digest}", evidence=[str(error)])
        return None

    def _copy(self, blob: Descriptor) -> None:
        """The stream is opened first: opening the partial hashes it, which no blob must cost that no medium has."""
        store = self._store
        with self._media.blob(self._lock.reference, blob, store.packed_bytes(blob)) as stream, store.partial(blob) as partial:
            if store.drop_partial_if_complete(blob):
                return
            if partial.offset != stream.start:
                raise DigestMismatch(f"{blob.digest}: its partial has {partial.offset} bytes by now, not {stream.start}")
            for chunk in stream.chunks:
                if self._stop():
                    raise TransferStopped(f"{self._task}: stopped; what was copied is kept")
                partial.write(chunk)
                self._advance()
            partial.commit()
            self._advance(complete=True)

    def _advance(self, *, complete: bool = False) -> None:
        now = time.monotonic()
        if self._reported is not None and not complete and now - self._reported < REPORT:
            return  # before the store is asked, which looks at every blob of the image
        done, size = self._store.progress([self._lock])
        if self._reported is None:
            self._progress(Started(self._task, "copying from a bundle", size, done))
        self._reported = now
        self._progress(Advanced(self._task, done, size))


def when_changed(media: Media, *, clock: Callable[[], float] = time.monotonic) -> Callable[[], bool]:
    """Whether a medium may have come since now; looks every few seconds, and says so from then on. Also for several threads."""
    before, looked, changed = media.changes(), clock(), False

    def ask() -> bool:
        nonlocal looked, changed
        if not changed and clock() - looked >= LOOK:
            looked = clock()
            changed = media.changes() != before
        return changed

    return ask
