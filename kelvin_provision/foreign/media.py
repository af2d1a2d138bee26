"""Media behind the gate: names of files and folders there are foreign text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

from kelvin_provision.foreign.sanitizer import Sanitizer
from kelvin_provision.refs import Descriptor, Platform, Reference
from kelvin_provision.registry.protocol import DeltaOffers, Media, Resolved, SignatureDocuments, Stream
from kelvin_provision.spec.media_types import ANYTHING, ImageSupport


class SanitizedMedia:
    """As `media`, whose errors are cleaned, those from the iterator of a blob as well."""

    def __init__(self, media: Media, sanitizer: Sanitizer) -> None:
        self._media = media
        self._sanitizer = sanitizer

    def resolve(self, reference: Reference, platform: Platform, support: ImageSupport = ANYTHING, *, bundle: str | None = None) -> Resolved:
        with self._sanitizer.errors():
            return self._media.resolve(reference, platform, support, bundle=bundle)

    def pinned(self, reference: Reference, bundle: str) -> Reference:
        with self._sanitizer.errors():
            return self._media.pinned(reference, bundle)

    def blob(self, reference: Reference, blob: Descriptor, offset: int) -> AbstractContextManager[Stream]:
        return self._opened(reference, blob, offset)

    def signatures(self, reference: Reference, digest: str) -> SignatureDocuments:
        with self._sanitizer.errors():
            return self._media.signatures(reference, digest)

    def deltas(self, reference: Reference, image: Descriptor) -> DeltaOffers:
        with self._sanitizer.errors():
            return self._media.deltas(reference, image)

    @contextmanager
    def _opened(self, reference: Reference, blob: Descriptor, offset: int) -> Iterator[Stream]:
        with self._sanitizer.errors(), self._media.blob(reference, blob, offset) as stream:
            yield replace(stream, chunks=self._sanitizer.iterator(stream.chunks))

    def has(self, blob: Descriptor) -> bool:
        with self._sanitizer.errors():
            return self._media.has(blob)

    def changes(self) -> object:
        with self._sanitizer.errors():
            return self._media.changes()
