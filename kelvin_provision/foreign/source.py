"""The registry behind the gate, with token services and proxies on the way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

from kelvin_provision.foreign.sanitizer import Sanitizer
from kelvin_provision.refs import Descriptor, Platform, Reference
from kelvin_provision.registry.protocol import DeltaOffers, Resolved, SignatureDocuments, Source, Stream
from kelvin_provision.spec.media_types import ANYTHING, ImageSupport


class SanitizedSource:
    """As `source`, whose errors are cleaned, those from the iterator of a blob as well."""

    def __init__(self, source: Source, sanitizer: Sanitizer) -> None:
        self._source = source
        self._sanitizer = sanitizer

    def resolve(self, reference: Reference, platform: Platform, support: ImageSupport = ANYTHING) -> Resolved:
        with self._sanitizer.errors():
            return self._source.resolve(reference, platform, support)

    def blob(self, reference: Reference, blob: Descriptor, offset: int) -> AbstractContextManager[Stream]:
        return self._opened(reference, blob, offset)

    def signatures(self, reference: Reference, digest: str) -> SignatureDocuments:
        with self._sanitizer.errors():
            return self._source.signatures(reference, digest)

    def deltas(self, reference: Reference, image: Descriptor) -> DeltaOffers:
        with self._sanitizer.errors():
            return self._source.deltas(reference, image)

    @contextmanager
    def _opened(self, reference: Reference, blob: Descriptor, offset: int) -> Iterator[Stream]:
        with self._sanitizer.errors(), self._source.blob(reference, blob, offset) as stream:
            yield replace(stream, chunks=self._sanitizer.iterator(stream.chunks))

    def digest(self, reference: Reference, known: str = "") -> str:
        with self._sanitizer.errors():
            return self._source.digest(reference, known)

    def manifest(self, reference: Reference) -> bytes:
        with self._sanitizer.errors():
            return self._source.manifest(reference)

    def greet(self, host: str) -> None:
        with self._sanitizer.errors():
            self._source.greet(host)

    def close(self) -> None:
        with self._sanitizer.errors():
            self._source.close()
