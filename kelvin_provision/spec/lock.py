"""The image lock: what an image reference meant on the day it was staged, to the byte."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

from kelvin_provision.refs import Descriptor, Platform, Reference


@dataclass(frozen=True)
class ImageLock:
    """One image for one platform.

    `manifest` is the platform's own manifest; `index` the document it was chosen from, or None.
    `diff_ids` are the digests of the unpacked layers, in order, from the config.
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
        """What the name in the runtime points at: the index when the user's digest is the index's, else the manifest."""
        if self.index is not None and self.reference.digest == self.index.digest:
            return self.index
        return self.manifest

    @property
    def name(self) -> str:
        """`host/repository@sha256:...`: the only name that a staged image gets in a runtime."""
        return f"{self.reference.name}@{self.root.digest}"

    @property
    def pinned_reference(self) -> str:
        """`host/repository[:tag]@sha256:...`: what the rendered objects say."""
        return str(dataclasses.replace(self.reference, digest=self.root.digest))

    @property
    def size(self) -> int:
        """Bytes of everything that is stored for it, compressed."""
        return sum(blob.size for blob in self.blobs())

    def blobs(self) -> Iterator[Descriptor]:
        """Everything that is stored for it, documents first, each digest once."""
        seen: set[str] = set()
        for blob in (*([self.index] if self.index else []), self.manifest, self.config, *self.layers):
            if blob.digest not in seen:
                seen.add(blob.digest)
                yield blob

    def to_json(self) -> dict[str, Any]:
        """A JSON document."""
        return dataclasses.asdict(self) | {"reference": str(self.reference)}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return cls(
            reference=Reference.parse(document["reference"]),
            platform=Platform(**document["platform"]),
            manifest=Descriptor(**document["manifest"]),
            config=Descriptor(**document["config"]),
            layers=tuple(Descriptor(**layer) for layer in document["layers"]),
            diff_ids=tuple(document["diff_ids"]),
            index=Descriptor(**document["index"]) if document["index"] else None,
        )
