"""Where images come from, as narrow as it can be: resolve a reference, stream a blob. Knows no transport."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from kelvin_provision.refs import Descriptor, Platform, Reference
from kelvin_provision.spec.lock import ImageLock


@dataclass(frozen=True)
class Resolved:
    """A lock and the small documents it was made from (index, manifest, config), verified, by digest."""

    lock: ImageLock
    documents: Mapping[str, bytes]


@dataclass(frozen=True)
class Stream:
    """The bytes of a blob from `start` on. `start` is what was asked for, or 0 when the source begins it over."""

    start: int
    chunks: Iterator[bytes]


class Source(Protocol):
    """A registry now; a bundle on a stick later."""

    def resolve(self, reference: Reference, platform: Platform) -> Resolved:
        """Choose the manifest for the platform and lock it.

        Raises ImageNotFound, PlatformMissing, ManifestInvalid, DigestMismatch, RegistryDenied, RegistryUnreachable, RegistryBusy.
        """
        ...

    def blob(self, reference: Reference, blob: Descriptor, offset: int) -> AbstractContextManager[Stream]:
        """Open a blob at a byte; unverified. Errors while reading are the same, and raised from the iterator."""
        ...

    def close(self) -> None:
        """Give back connections that are kept open."""
        ...
