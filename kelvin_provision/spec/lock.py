"""The image lock: the digests that an image reference stood for when it was staged."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, Self

from kelvin_provision.fast_dataclass import checked, dataclass
from kelvin_provision.refs import Descriptor, Platform, Reference, is_digest


@dataclass(frozen=True)
class ImageLock:
    """One image for one platform. `index` is the index from which `manifest` was selected, or None.

    `diff_ids` are the digests of the uncompressed layers, in order, from the config.
    """

    reference: Reference
    platform: Platform
    manifest: Descriptor
    config: Descriptor
    layers: tuple[Descriptor, ...]
    diff_ids: tuple[str, ...] = ()
    index: Descriptor | None = None

    @property
    def root(self) -> Descriptor:
        """The target of the name in the runtime: the index if the reference has the digest of the index, otherwise the manifest."""
        if self.index is not None and self.reference.digest == self.index.digest:
            return self.index
        return self.manifest

    @property
    def source(self) -> Descriptor:
        """The index from which it was selected, or its manifest: what its reference stood for."""
        return self.index or self.manifest

    @property
    def name(self) -> str:
        """`host/repository@sha256:...`: the only name of a staged image in a runtime."""
        return f"{self.reference.name}@{self.root.digest}"

    @property
    def pinned_reference(self) -> str:
        """`host/repository[:tag]@sha256:...`: the image in rendered objects."""
        return str(dataclasses.replace(self.reference, digest=self.root.digest))

    @property
    def size(self) -> int:
        """Bytes of all its blobs, compressed."""
        return sum(blob.size for blob in self.blobs())

    def blobs(self) -> Iterator[Descriptor]:
        """All blobs, documents first, each digest once."""
        seen: set[str] = set()
        for blob in (*([self.index] if self.index else []), self.manifest, self.config, *self.layers):
            if blob.digest not in seen:
                seen.add(blob.digest)
                yield blob

    def to_json(self) -> dict[str, Any]:
        platform = {"os": self.platform.os, "architecture": self.platform.architecture, "variant": self.platform.variant}
        return dataclasses.asdict(self) | {"reference": str(self.reference), "platform": platform}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """The inverse of `to_json`. Raises ReferenceInvalid, ValueError, TypeError, KeyError for a document that is damaged."""
        return cls(
            reference=Reference.parse(document["reference"]),
            platform=checked(Platform, document["platform"]),
            manifest=_descriptor(document["manifest"]),
            config=_descriptor(document["config"]),
            layers=tuple(map(_descriptor, document["layers"])),
            diff_ids=tuple(map(_digest, document["diff_ids"])),
            index=_descriptor(document["index"]) if document["index"] is not None else None,
        )


def _descriptor(document: dict[str, Any]) -> Descriptor:
    descriptor = checked(Descriptor, document)
    _digest(descriptor.digest)
    if not 0 <= descriptor.size < 1 << 63:
        raise ValueError(descriptor.size)
    return descriptor


def _digest(value: str) -> str:
    if not is_digest(value):
        raise ValueError(value)
    return value
