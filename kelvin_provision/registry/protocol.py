"""Where images come from: resolve a reference, stream a blob. Independent of the transport."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from kelvin_provision.refs import Descriptor, Platform, Reference
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.media_types import ANYTHING, ImageSupport
from kelvin_provision.spec.signatures import SignatureFiles


@dataclass(frozen=True)
class Resolved:
    """A lock, and the documents that it was made from (index, manifest, config), verified, by digest."""

    lock: ImageLock
    documents: Mapping[str, bytes]


class Documents(Protocol):
    """The documents of one repository, verified: at a registry, or in a bundle."""

    def manifest(self, reference: str, expected: Descriptor | None = None) -> tuple[bytes, str]:
        """A manifest or index by tag or digest, and its media type if that is told besides. Raises as `Source.resolve`."""
        ...

    def small_blob(self, blob: Descriptor) -> bytes:
        """A config. Raises as `Source.resolve`."""
        ...


@dataclass(frozen=True)
class Stream:
    """The bytes of a blob from `start` on: the requested offset, or 0 when the source cannot resume."""

    start: int
    chunks: Iterator[bytes]


@dataclass(frozen=True)
class SignatureDocuments:
    """`files`, and their bytes, verified, by digest. Whether they are signatures of anything was not looked at.

    `remarks`: our words for what was there and was not taken. `complete`: nothing is missing because of trouble that passes.
    """

    files: tuple[SignatureFiles, ...] = ()
    documents: Mapping[str, bytes] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    complete: bool = True

    def __or__(self, other: SignatureDocuments) -> SignatureDocuments:
        """Each manifest once."""
        files = {each.manifest.digest: each for each in (*self.files, *other.files)}
        remarks = tuple(dict.fromkeys((*self.remarks, *other.remarks)))
        return SignatureDocuments(tuple(files.values()), {**self.documents, **other.documents}, remarks, self.complete and other.complete)


class Blobs(Protocol):
    """Images by reference, blobs by digest: what staging needs."""

    def resolve(self, reference: Reference, platform: Platform, support: ImageSupport = ANYTHING) -> Resolved:
        """Choose the manifest for the platform that the runtime can unpack, and lock it; if it can unpack none, one of them.

        Raises ImageNotFound, PlatformMissing, ManifestInvalid, DigestMismatch, RegistryDenied, RegistryUnreachable, RegistryBusy.
        """
        ...

    def blob(self, reference: Reference, blob: Descriptor, offset: int) -> AbstractContextManager[Stream]:
        """Open a blob at an offset. The content is not verified. Raises as `resolve`, also from the iterator."""
        ...

    def signatures(self, reference: Reference, digest: str) -> SignatureDocuments:
        """What is there as signatures of an index or a manifest: few, and small. Raises as `resolve`, but not where there are none."""
        ...


class Source(Blobs, Protocol):
    """Registries and their mirrors."""

    def greet(self, host: str) -> None:
        """Ask a registry whether it answers and accepts the stored login. Raises as `resolve`, and RegistryRefused for no registry."""
        ...

    def close(self) -> None:
        """Close connections that are kept open."""
        ...


class Media(Blobs, Protocol):
    """Bundles that were imported, on media that may be there or not.

    Both verbs also raise MediumGone, whose reason to wait names the medium, and ImageNotFound for what no bundle has.
    """

    def resolve(self, reference: Reference, platform: Platform, support: ImageSupport = ANYTHING, *, bundle: str | None = None) -> Resolved:
        """In any bundle, the newest first, or only in the one with this digest."""
        ...

    def pinned(self, reference: Reference, bundle: str) -> Reference:
        """With the digest that the table of contents of the bundle names for it. Raises ImageNotFound; MediumGone without the table."""
        ...

    def has(self, blob: Descriptor) -> bool:
        """Whether a bundle has it, on a medium that is there or not."""
        ...

    def changes(self) -> object:
        """A value that changes when a medium may have come or gone. Cheap."""
        ...
