"""The image lock: the digests that an image reference stood for when it was staged."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any, Self

from kelvin_provision.fast_dataclass import checked, dataclass
from kelvin_provision.refs import Descriptor, Platform, Reference, is_digest


@dataclass(frozen=True)
class ImageLock:
    """One image for one platform. `index` is the index from which `manifest` was selected, or None.

    `diff_ids` are the digests of the uncompressed layers, in order, from the config. `variants` are those of the same index for the other
    platforms of a site: then all of them are pinned by the index (`by_index`), so that they have one name, and pods one reference.
    """

    reference: Reference
    platform: Platform
    manifest: Descriptor
    config: Descriptor
    layers: tuple[Descriptor, ...]
    diff_ids: tuple[str, ...] = ()
    index: Descriptor | None = None
    by_index: bool = False
    variants: tuple[ImageLock, ...] = ()

    @property
    def root(self) -> Descriptor:
        """The target of the name in the runtime: the index if that pins it or its reference has that digest, otherwise the manifest."""
        if self.index is not None and (self.by_index or self.reference.digest == self.index.digest):
            return self.index
        return self.manifest

    @property
    def source(self) -> Descriptor:
        """The index from which it was selected, or its manifest: what its reference stood for."""
        return self.index or self.manifest

    @property
    def name(self) -> str:
        """`host/repository@sha256:...`: the only name of a staged image in a runtime. Variants of one image have the same one."""
        return f"{self.reference.name}@{self.root.digest}"

    @property
    def pinned_reference(self) -> str:
        """`host/repository[:tag]@sha256:...`: the image in rendered objects."""
        return str(dataclasses.replace(self.reference, digest=self.root.digest))

    @property
    def size(self) -> int:
        """Bytes of all its blobs, compressed; without those of its variants."""
        return sum(blob.size for blob in self.blobs())

    def blobs(self) -> Iterator[Descriptor]:
        """All blobs of its own platform, documents first, each digest once."""
        seen: set[str] = set()
        for blob in (*([self.index] if self.index else []), self.manifest, self.config, *self.layers):
            if blob.digest not in seen:
                seen.add(blob.digest)
                yield blob

    def blobs_of_all(self) -> Iterator[Descriptor]:
        """Those of every platform, each digest once."""
        yield from {blob.digest: blob for lock in every_variant([self]) for blob in lock.blobs()}.values()

    def to_json(self) -> dict[str, Any]:
        """An image for one platform says nothing of others."""
        platform = {"os": self.platform.os, "architecture": self.platform.architecture, "variant": self.platform.variant}
        document = dataclasses.asdict(dataclasses.replace(self, variants=())) | {"reference": str(self.reference), "platform": platform}
        del document["variants"]
        if not document["by_index"]:
            del document["by_index"]
        return document | ({"variants": [variant.to_json() for variant in self.variants]} if self.variants else {})

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
            by_index=_flag(document.get("by_index", False)),
            variants=tuple(map(_variant, document.get("variants", ()))),
        )


def locks_from_json(document: list[dict[str, Any]]) -> tuple[ImageLock, ...]:
    """The locks of a version, as `ImageLock.from_json` reads each."""
    return tuple(ImageLock.from_json(item) for item in document)


def every_variant(locks: Iterable[ImageLock]) -> Iterator[ImageLock]:
    """Each image, and after it those for the other platforms. What is asked of the result by name alone confuses them."""
    for lock in locks:
        yield lock
        yield from lock.variants


def _variant(document: dict[str, Any]) -> ImageLock:
    if "variants" in document:
        raise ValueError("variants of a variant")
    return ImageLock.from_json(document)


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise TypeError(value)
    return value


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
