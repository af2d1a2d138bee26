"""An image of a bundle, from the lock of the image. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from kelvin_provision.bundles.model import AS_DELTA, IN_BOX, IN_BUNDLE, BundledImage, BundledLayer
from kelvin_provision.refs import Descriptor
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.media_types import COMPRESSIONS
from kelvin_provision.spec.signatures import SignatureFiles
from kelvin_provision.store.space import UNPACK_FACTOR


def bundled(
    lock: ImageLock,
    without: frozenset[str] = frozenset(),
    signatures: Sequence[SignatureFiles] = (),
    as_deltas: Mapping[str, int] = MappingProxyType({}),
) -> BundledImage:
    """Layers `without` are on the box. `as_deltas` has sizes without compression of those that come so, by digest."""
    reference = lock.reference if lock.reference.digest else replace(lock.reference, digest=lock.source.digest)
    layers = tuple(
        _rebuilt(layer, diff_id, as_deltas[layer.digest])
        if layer.digest in as_deltas
        else _layer(layer, diff_id, IN_BOX if layer.digest in without else IN_BUNDLE)
        for layer, diff_id in zip(lock.layers, lock.diff_ids, strict=True)
    )
    index = lock.index.digest if lock.index else None
    signed = tuple(tuple(blob.digest for blob in signature.blobs()) for signature in signatures)
    return BundledImage(reference, lock.platform, lock.manifest.digest, lock.config.digest, layers, index, signed)


def _rebuilt(layer: Descriptor, diff_id: str, unpacked: int) -> BundledLayer:
    return BundledLayer(layer.digest, layer.size, diff_id, unpacked, AS_DELTA)


def _layer(layer: Descriptor, diff_id: str, source: str) -> BundledLayer:
    """Its size without compression is estimated, as that of any image before it is unpacked."""
    factor = UNPACK_FACTOR if COMPRESSIONS.get(layer.media_type) else 1
    return BundledLayer(layer.digest, layer.size, diff_id, layer.size * factor, source)
