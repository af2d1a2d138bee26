"""The table of contents of a bundle, as a value: all that is believed of it once its signature is verified.

Offsets are absolute in the archive, of which the parts are byte cuts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from functools import cached_property

from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.refs import Platform, Reference

SCHEMA = 1
PAYLOAD_TYPE = "application/vnd.kelvin-provision.bundle.v1+json"
"""What the signature is over, besides the bytes."""

IN_BUNDLE, IN_BOX, AS_DELTA = "bundle", "box", "delta"
"""Where a layer comes from: this bundle, the box that the bundle is for, which has it already, or a delta in this bundle."""


ARCHIVE, PACKAGE, FOREIGN = "bundle", "package", "zip"
"""What has the members: the tar archive of a bundle, a zip of this program, or any other zip, whose table of contents is made here."""


@dataclass(frozen=True)
class Extent:
    """A range of the archive with the digest of its content."""

    digest: str
    offset: int
    size: int

    @property
    def end(self) -> int:
        return self.offset + self.size


@dataclass(frozen=True)
class BundledLayer:
    """`unpacked` is its size without compression, estimated for a compressed one but for `AS_DELTA`. `source`: see `IN_BUNDLE`."""

    digest: str
    size: int
    diff_id: str
    unpacked: int
    source: str = IN_BUNDLE


@dataclass(frozen=True)
class BundledDelta:
    """Makes the layer `target` out of the layers `needs` (diff ids) of another version. `memory`: the bytes that are held at once."""

    digest: str
    target: str
    needs: tuple[str, ...]
    memory: int


@dataclass(frozen=True)
class BundledImage:
    """One image for one platform. `reference` has the digest of the index if there is one, else of the manifest.

    `signatures` are digests: each the manifest of a signature, and its payloads.
    """

    reference: Reference
    platform: Platform
    manifest: str
    config: str
    layers: tuple[BundledLayer, ...]
    index: str | None = None
    signatures: tuple[tuple[str, ...], ...] = ()

    def digests(self) -> Iterator[str]:
        """Of all its blobs, documents and signatures first; also of those that are not in the bundle."""
        yield from (digest for digest in (self.index, self.manifest, self.config) if digest)
        yield from (digest for signature in self.signatures for digest in signature)
        yield from (layer.digest for layer in self.layers)


@dataclass(frozen=True)
class BundledRequest:
    """A deploy body, byte for byte as it was submitted. `signature` is that of the request itself, if it has one."""

    name: str
    content: Extent
    signature: Extent | None = None


@dataclass(frozen=True)
class Contents:
    """`serial` is 0 where none was given. `boxes` are the names of those it is for, empty for any. `needs`: what a box must have."""

    name: str
    made_by: str
    platforms: tuple[Platform, ...]
    requests: tuple[BundledRequest, ...]
    images: tuple[BundledImage, ...]
    blobs: tuple[Extent, ...]
    files: tuple[tuple[str, Extent], ...]
    """The members that other tools read (index.json, manifest.json), by name."""
    chunks: Extent
    """The hashes of the archive from the end of this member on: 32 bytes of SHA-256 for each `limits.CHUNK` bytes, by absolute offset."""
    total: int
    parts: tuple[int, ...]
    boxes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    serial: int = 0
    annotations: Mapping[str, str] = field(default_factory=dict)
    form: str = ARCHIVE
    deltas: tuple[BundledDelta, ...] = ()
    tail: int = 0
    """Bytes at the end that have no chunk: the directory of a package, which follows from the rest."""

    @property
    def hashed_end(self) -> int:
        """Where the last chunk ends."""
        return self.total - self.tail

    @cached_property
    def by_digest(self) -> Mapping[str, Extent]:
        return {blob.digest: blob for blob in self.blobs}

    def part_of(self, offset: int) -> tuple[int, int]:
        """The part that has this byte, 1-based, and the offset in it."""
        for number, size in enumerate(self.parts, 1):
            if offset < size:
                return number, offset
            offset -= size
        raise IndexError(offset)
