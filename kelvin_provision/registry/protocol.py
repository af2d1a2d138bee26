"""Where images come from: resolve a reference, stream a blob. Independent of the transport."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from kelvin_provision.deltas.artifact import DeltaLayer
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


@dataclass(frozen=True)
class DeltaOffers:
    """Deltas of the layers of one image, which what has them names. `remarks`: our words for what was not taken."""

    layers: tuple[DeltaLayer, ...] = ()
    remarks: tuple[str, ...] = ()


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

    def deltas(self, reference: Reference, image: Descriptor) -> DeltaOffers:
        """What is there as deltas of a manifest: few, and small; their blobs come as any other. Raises as `resolve`, but not for none."""
        ...


class Source(Blobs, Protocol):
    """Registries and their mirrors."""

    def digest(self, reference: Reference, known: str = "") -> str:
        """Of the manifest that a tag names now, asked for without its body; `known` is what it named before. Raises as `resolve`."""
        ...

    def manifest(self, reference: Reference) -> bytes:
        """A manifest by its digest, verified, whatever it is of. Raises as `resolve`."""
        ...

    def greet(self, host: str) -> None:
        """Ask a registry whether it answers and accepts the stored login. Raises as `resolve`, and RegistryRefused for no registry."""
        ...

    def close(self) -> None:
        """Close connections that are kept open."""
        ...


Chunks = bytes | Callable[[int], Iterable[bytes]]
"""The bytes of a blob, or what gives them from an offset on; it may be asked more than once."""


class Destination(Protocol):
    """Registries that are pushed to: always themselves, never a mirror.

    Every verb raises RegistryDenied, RegistryRefused, RegistryUnreachable and RegistryBusy.
    """

    def blob(self, reference: Reference, blob: Descriptor, chunks: Chunks, *, mount_from: Sequence[str] = ()) -> bool:
        """Whether bytes were sent: not where the repository has the blob, or one of `mount_from` at the same registry has it.

        Raises DigestMismatch for other bytes than the descriptor says, and what the chunks raise.
        """
        ...

    def manifest(self, reference: Reference, data: bytes, media_type: str, tag: str | None = None, *, replaces: str | None = None) -> str:
        """Its digest. With `tag`, it is under this name too; with `replaces`, only if the tag still has that digest.

        What has a `subject` is listed as what refers to it afterwards. Raises TagMoved.
        """
        ...

    def read(self, reference: Reference, name: str) -> bytes | None:
        """A manifest of any kind by tag or digest, verified against a digest; None where there is none. Raises DigestMismatch."""
        ...

    def document(self, reference: Reference, blob: Descriptor) -> bytes:
        """A blob of at most 4 MiB, verified. Raises ImageNotFound, DigestMismatch, ManifestInvalid for a larger one."""
        ...

    def tags(self, reference: Reference) -> Iterator[str]:
        """Of a repository, in the order of the registry. Raises ImageNotFound for none."""
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
