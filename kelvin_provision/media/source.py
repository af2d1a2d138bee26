"""Bundles as a source of images: documents and blobs by digest, from the media that are there now. See `registry.protocol.Media`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from kelvin_provision.bundles.model import AS_DELTA, BundledImage, Contents
from kelvin_provision.bundles.reader import Bundle
from kelvin_provision.deltas.artifact import LAYER_TYPE, DeltaLayer
from kelvin_provision.errors import BundleInvalid, DigestMismatch, ImageNotFound, MediumGone, PlatformMissing, ProvisionError
from kelvin_provision.files.hashing import has_digest
from kelvin_provision.ledger.reading.bundles import BundleReads, ImportedBundle
from kelvin_provision.media.finding import Finder
from kelvin_provision.media.mounts import Mounts
from kelvin_provision.media.tables import Tables
from kelvin_provision.refs import Descriptor, Platform, Reference, is_digest
from kelvin_provision.registry.protocol import DeltaOffers, Resolved, SignatureDocuments, Stream
from kelvin_provision.registry.resolve import resolve
from kelvin_provision.spec.media_types import ANYTHING, ImageSupport
from kelvin_provision.spec.signatures import SignatureFiles
from kelvin_provision.store import Store
from kelvin_provision.wait_reason import WaitKind, WaitReason


class BundleSource:
    """The bundles that the ledger knows, the newest first. `store` may have their documents already. For one thread."""

    def __init__(self, ledger: BundleReads, store: Callable[[], Store], state_dir: Path, mounts: Mounts | None = None) -> None:
        self._ledger = ledger
        self._store = store
        self._mounts = mounts or Mounts()
        self._finder = Finder(self._mounts)
        self._tables = Tables(state_dir, self._finder)

    def resolve(self, reference: Reference, platform: Platform, support: ImageSupport = ANYTHING, *, bundle: str | None = None) -> Resolved:
        """See `Media.resolve`."""
        if bundle is not None:
            only, table = self._only(bundle)
            return resolve_bundled(table, partial(self._document, only, table), reference, platform, support)
        last: ProvisionError = ImageNotFound(f"{reference}: no bundle has it")
        for known in sorted(self._ledger.bundles(), key=lambda known: -known.serial):  # of one serial, the one that came last
            contents = None if known.revoked else self._tables.contents(known)
            if contents and images_of(contents, reference):
                try:
                    return resolve_bundled(contents, partial(self._document, known, contents), reference, platform, support)
                except (MediumGone, PlatformMissing) as error:
                    last = error
        raise last

    def pinned(self, reference: Reference, bundle: str) -> Reference:
        """See `Media.pinned`."""
        _, contents = self._only(bundle)
        images = images_of(contents, reference)
        if not images:
            raise ImageNotFound(f"{reference}: the bundle {contents.name} does not have it")
        return reference if reference.digest else replace(reference, digest=images[0].index or images[0].manifest)

    @contextmanager
    def blob(self, reference: Reference, blob: Descriptor, offset: int) -> Iterator[Stream]:
        """See `Media.blob`."""
        last: ProvisionError = ImageNotFound(f"{reference}: no bundle has {blob.digest}")
        for known in self._tables.having(blob, self._ledger.bundles()):
            contents = self._tables.contents(known)
            if contents is None:
                continue
            with Bundle(self._finder.files(known, contents), known.digest, contents) as bundle:
                if bundle.parts_of(blob.digest, offset)[0] not in bundle.files.paths:
                    last = gone(contents, contents.by_digest[blob.digest].offset + offset)
                    continue
                yield Stream(offset, _chunks(bundle, blob, offset))
                return
        raise last

    def signatures(self, reference: Reference, digest: str) -> SignatureDocuments:
        """See `Blobs.signatures`. Of a bundle on a medium that is not there, those that the store has."""
        signatures = SignatureDocuments()
        for known in self._ledger.bundles():
            contents = self._tables.contents(known)
            if contents is None:
                continue
            for image in images_of(contents, replace(reference, digest=digest)):
                with suppress(MediumGone):
                    signatures |= signatures_of(image, contents, partial(self._document, known, contents))
        return signatures

    def deltas(self, reference: Reference, image: Descriptor) -> DeltaOffers:
        """See `Blobs.deltas`. By the tables of contents: their blobs may be on media that are not there."""
        layers: list[DeltaLayer] = []
        for known in self._ledger.bundles():
            contents = self._tables.contents(known) if not known.revoked else None
            if contents is not None and contents.deltas:
                layers += deltas_of(contents, replace(reference, digest=image.digest))
        return DeltaOffers(tuple(layers))

    def has(self, blob: Descriptor) -> bool:
        """See `Media.has`."""
        return any(True for _ in self._tables.having(blob, self._ledger.bundles()))

    def changes(self) -> object:
        """See `Media.changes`. Mounts that are no media, and files that are written beside a bundle, change nothing."""
        places = [Path(medium.place) for known in self._ledger.bundles() for medium in known.media]
        mounted = tuple((mount.device, mount.point) for mount in self._mounts.media()) if places else ()
        return mounted, tuple((_stamp(place), (_stamp(place.parent) or ())[:2]) for place in places)

    def _only(self, bundle: str) -> tuple[ImportedBundle, Contents]:
        """This bundle and its table of contents. Raises MediumGone without the table: no other bundle may stand in for this one."""
        known = next(iter(self._ledger.bundles([bundle])), None)
        contents = self._tables.contents(known) if known else None
        if known is None or contents is None:
            name = known.name if known else bundle
            error = MediumGone(f"the stick {name} is not there, and its table of contents is not on this box")
            error.wait_reason = WaitReason(WaitKind.MEDIUM, name)
            raise error
        return known, contents

    def _document(self, known: ImportedBundle, contents: Contents, digest: str) -> bytes:
        extent, store = contents.by_digest[digest], self._store()
        if store.has(Descriptor("", digest, extent.size)):
            data = store.path(digest).read_bytes()
            if has_digest(data, digest):
                return data
        with Bundle(self._finder.files(known, contents), known.digest, contents) as bundle:
            try:
                return bundle.document(digest)
            except MediumGone as error:
                raise gone(contents, extent.offset, error) from error


class _Documents:
    """See `registry.protocol.Documents`. `images` are those of one reference; `document` returns verified bytes."""

    def __init__(self, contents: Contents, images: tuple[BundledImage, ...], document: Callable[[str], bytes]) -> None:
        self._contents = contents
        self._images = images
        self._document = document

    def manifest(self, reference: str, expected: Descriptor | None = None) -> tuple[bytes, str]:
        digest = reference if is_digest(reference) else self._images[0].index or self._images[0].manifest
        return self._checked(digest, expected), ""

    def small_blob(self, blob: Descriptor) -> bytes:
        return self._checked(blob.digest, blob)

    def _checked(self, digest: str, expected: Descriptor | None) -> bytes:
        image = self._images[0].reference
        if digest not in self._contents.by_digest:
            platforms = ", ".join(sorted({str(image.platform) for image in self._images}))
            raise PlatformMissing(f"{image}: the bundle {self._contents.name} has it for {platforms} only")
        data = self._document(digest)
        if expected is not None and len(data) != expected.size:
            raise DigestMismatch(f"{image}: {digest} has {len(data)} bytes, expected {expected.size}")
        return data


def resolve_bundled(
    contents: Contents, document: Callable[[str], bytes], reference: Reference, platform: Platform, support: ImageSupport = ANYTHING
) -> Resolved:
    """The lock as a registry would give it. `document` returns verified bytes by digest.

    Raises ImageNotFound, BundleInvalid where the table of contents says otherwise than its manifest, and what `document` and
    `registry.resolve` raise.
    """
    images = images_of(contents, reference)
    if not images:
        raise ImageNotFound(f"{reference}: the bundle {contents.name} does not have it")
    resolved = resolve(_Documents(contents, images, document), reference, platform, support)
    lock = resolved.lock
    described = next((image for image in images if image.manifest == lock.manifest.digest), None)
    layers = tuple((layer.digest, layer.size) for layer in lock.layers)
    if (
        described is None
        or described.config != lock.config.digest
        or layers != tuple((layer.digest, layer.size) for layer in described.layers)
    ):
        raise BundleInvalid(f"{reference}: the table of contents of the bundle describes another image than its manifest")
    return resolved


def signatures_of(image: BundledImage, contents: Contents, document: Callable[[str], bytes]) -> SignatureDocuments:
    """`document` returns verified bytes by digest. Raises what it raises."""
    files = [
        SignatureFiles(_described(contents, manifest), tuple(_described(contents, digest) for digest in payloads), medium=True)
        for manifest, *payloads in image.signatures
    ]
    return SignatureDocuments(tuple(files), {digest: document(digest) for signature in image.signatures for digest in signature})


def deltas_of(contents: Contents, reference: Reference) -> Iterator[DeltaLayer]:
    """Of the layers of these images that come so."""
    layers = {layer.digest: layer for image in images_of(contents, reference) for layer in image.layers if layer.source == AS_DELTA}
    for delta in contents.deltas:
        if (layer := layers.get(delta.target)) is not None:
            blob = Descriptor(LAYER_TYPE, delta.digest, contents.by_digest[delta.digest].size)
            yield DeltaLayer(blob, layer.diff_id, layer.unpacked, delta.needs, layer.digest, delta.memory)


def _described(contents: Contents, digest: str) -> Descriptor:
    return Descriptor("", digest, contents.by_digest[digest].size)


def images_of(contents: Contents, reference: Reference) -> tuple[BundledImage, ...]:
    """What a bundle has under a reference: by its digest, else by its tag; one for each platform."""

    def fits(image: BundledImage) -> bool:
        if reference.digest is not None:
            return reference.digest in (image.reference.digest, image.index, image.manifest)
        return image.reference.tag == reference.tag

    return tuple(image for image in contents.images if image.reference.name == reference.name and fits(image))


def _chunks(bundle: Bundle, blob: Descriptor, offset: int) -> Iterator[bytes]:
    at = bundle.contents.by_digest[blob.digest].offset + offset
    try:
        for chunk in bundle.blob(blob.digest, offset):
            at += len(chunk)
            yield chunk
    except MediumGone as error:
        raise gone(bundle.contents, at, error) from error


def gone(contents: Contents, offset: int, error: MediumGone | None = None) -> MediumGone:
    """What has to be waited for: the medium with this byte."""
    part = f", part {contents.part_of(offset)[0]}" if len(contents.parts) > 1 else ""
    result = MediumGone(f"the stick {contents.name}{part} is not there", evidence=[str(error)] if error else [])
    result.wait_reason = WaitReason(WaitKind.MEDIUM, f"{contents.name}{part}")
    return result


def _stamp(path: Path) -> tuple[int, ...] | None:
    """Which file it is, and what was last written to it."""
    with suppress(OSError):
        status = os.stat(path)  # noqa: PTH116  (asked every few seconds)
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
    return None
