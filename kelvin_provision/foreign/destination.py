"""Registries that are pushed to, behind the gate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kelvin_provision.foreign.sanitizer import Sanitizer
from kelvin_provision.refs import Descriptor, Reference
from kelvin_provision.registry.protocol import Chunks, Destination


class SanitizedDestination:
    """As `destination`, whose errors are cleaned."""

    def __init__(self, destination: Destination, sanitizer: Sanitizer) -> None:
        self._destination = destination
        self._sanitizer = sanitizer

    def blob(self, reference: Reference, blob: Descriptor, chunks: Chunks, *, mount_from: Sequence[str] = ()) -> bool:
        with self._sanitizer.errors():
            return self._destination.blob(reference, blob, chunks, mount_from=mount_from)

    def manifest(self, reference: Reference, data: bytes, media_type: str, tag: str | None = None, *, replaces: str | None = None) -> str:
        with self._sanitizer.errors():
            return self._destination.manifest(reference, data, media_type, tag, replaces=replaces)

    def read(self, reference: Reference, name: str) -> bytes | None:
        with self._sanitizer.errors():
            return self._destination.read(reference, name)

    def document(self, reference: Reference, blob: Descriptor) -> bytes:
        with self._sanitizer.errors():
            return self._destination.document(reference, blob)

    def tags(self, reference: Reference) -> Iterator[str]:
        with self._sanitizer.errors():
            yield from self._destination.tags(reference)

    def close(self) -> None:
        with self._sanitizer.errors():
            self._destination.close()
