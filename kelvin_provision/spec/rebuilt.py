"""Images with rebuilt layers: what a delta brings lies uncompressed, under the digest that the config names (ADR 0064). Pure.

The lock stays that of the original image, and so do its name and its config. Only the manifest that the name stands for in a runtime is
another one: the local manifest, which has the rebuilt layers in place of the compressed ones. It follows from the lock and from which
layers are plain, byte for byte, so whether a document is one is computed and never remembered.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

from kelvin_provision.files.hashing import digest_of
from kelvin_provision.refs import Descriptor
from kelvin_provision.spec.lock import ImageLock

ORIGINAL = "kelvin-provision/original"
"""Annotation of a local manifest, and label in containerd: the digest of the manifest or index that it is instead of."""

MAX_LOCAL = 1 << 20
"""Bytes of a local manifest: 400 layers take 80 KiB."""

PlainLayers = Mapping[str, Descriptor]
"""Rebuilt layers, by the digest of the compressed layer that each stands for."""

NO_PLAIN: PlainLayers = MappingProxyType({})
_PLAIN_OCI, _PLAIN_DOCKER = "application/vnd.oci.image.layer.v1.tar", "application/vnd.docker.image.rootfs.diff.tar"


def plain_layer(layer: Descriptor, diff_id: str, size: int) -> Descriptor:
    """The same files without compression; the media type stays in its family."""
    return Descriptor(_PLAIN_DOCKER if layer.media_type.startswith(_PLAIN_DOCKER) else _PLAIN_OCI, diff_id, size)


def diff_ids(lock: ImageLock) -> dict[str, str]:
    """By the digest of the compressed layer; without layers that are not compressed, and empty for a lock without diff IDs."""
    pairs = zip(lock.layers, lock.diff_ids, strict=True) if len(lock.layers) == len(lock.diff_ids) else ()
    return {layer.digest: diff_id for layer, diff_id in pairs if layer.digest != diff_id}


def local_root(lock: ImageLock, plain: PlainLayers) -> tuple[bytes, Descriptor]:
    """The local manifest of an image of which at least one layer is plain. The same arguments always give the same bytes."""
    document = {
        "schemaVersion": 2,
        "mediaType": lock.manifest.media_type,
        "config": _entry(lock.config),
        "layers": [_entry(plain.get(layer.digest, layer)) for layer in lock.layers],
        "annotations": {ORIGINAL: lock.root.digest},
    }
    data = json.dumps(document, separators=(",", ":")).encode()
    return data, Descriptor(lock.manifest.media_type, digest_of(data), len(data))


def plain_layers_of(lock: ImageLock, data: bytes) -> PlainLayers | None:
    """The plain layers of a local manifest of this image; None for any other document, also one of another program."""
    try:
        entries = json.loads(data)["layers"]
        described = [(layer, str(entry["digest"]), int(entry["size"])) for layer, entry in zip(lock.layers, entries, strict=True)]
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None
    known = diff_ids(lock)
    plain = {layer.digest: plain_layer(layer, digest, size) for layer, digest, size in described if known.get(layer.digest) == digest}
    return plain if plain and local_root(lock, plain)[0] == data else None


@dataclass(frozen=True)
class LocalImage:
    """An image as it is sent to a runtime: as it was published, or with some of its layers plain."""

    lock: ImageLock
    plain: PlainLayers = field(default_factory=lambda: NO_PLAIN)

    @cached_property
    def _local(self) -> tuple[bytes, Descriptor] | None:
        return local_root(self.lock, self.plain) if any(layer.digest in self.plain for layer in self.lock.layers) else None

    @property
    def document(self) -> bytes:
        """The local manifest; empty for an image that is sent as it was published."""
        return self._local[0] if self._local else b""

    @property
    def root(self) -> Descriptor:
        """What its name stands for."""
        return self._local[1] if self._local else self.lock.root

    @property
    def layers(self) -> tuple[Descriptor, ...]:
        return tuple(self.plain.get(layer.digest, layer) for layer in self.lock.layers)

    def blobs(self) -> Iterator[Descriptor]:
        """Those in files, documents first, each digest once: all but the local manifest."""
        instead = {layer.digest for layer in self.lock.layers} & self.plain.keys()
        left_out = {self.lock.manifest.digest, self.lock.index.digest if self.lock.index else ""} if instead else set()
        seen: set[str] = set()
        for blob in self.lock.blobs():
            kept = self.plain.get(blob.digest, blob)
            if kept.digest not in seen | left_out:
                seen.add(kept.digest)
                yield kept


def _entry(blob: Descriptor) -> dict[str, Any]:
    return {"mediaType": blob.media_type, "digest": blob.digest, "size": blob.size}
