"""Rules across the whole of a table of contents: nothing overlaps, nothing is missing, nothing is there that belongs to no image."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from kelvin_provision.bundles import limits
from kelvin_provision.bundles.model import AS_DELTA, FOREIGN, IN_BOX, IN_BUNDLE, BundledImage, Contents, Extent
from kelvin_provision.errors import BundleInvalid


def wrong(what: str) -> BundleInvalid:
    return BundleInvalid(f"the table of contents of the bundle is not valid: {what}")


def check(contents: Contents) -> None:
    """Raises BundleInvalid."""
    if sum(request.content.size for request in contents.requests) > limits.ALL_REQUESTS:
        raise wrong(f"its requests have more than {limits.ALL_REQUESTS} bytes together")
    extents = [*(request.content for request in contents.requests), *(extent for _, extent in contents.files), *contents.blobs]
    extents += [request.signature for request in contents.requests if request.signature]
    extents.sort(key=lambda extent: extent.offset)
    if any(before.end > after.offset for before, after in pairwise([contents.chunks, *extents])):
        raise wrong("members overlap, or lie before the hashes")
    if (extents[-1].end if extents else contents.chunks.end) > contents.hashed_end or contents.total != sum(contents.parts):
        raise wrong("members lie behind the end, or the parts are not the whole")
    if any(before.offset >= after.offset for before, after in pairwise(contents.blobs)):
        raise wrong("blobs are not in the order of their offsets")
    _check_chunks(contents)
    _check_reachable(contents)
    for names in ([request.name for request in contents.requests], [name for name, _ in contents.files]):
        if len(set(names)) != len(names):
            raise wrong("a name stands twice")


def _check_chunks(contents: Contents) -> None:
    count = 0 if contents.form == FOREIGN else limits.chunk_count(contents.chunks.end, contents.hashed_end)
    if contents.chunks.size != limits.HASH * count or contents.chunks.size > limits.HASHES:
        raise wrong("another number of chunks than the size of the bundle needs, or too many")


def _check_reachable(contents: Contents) -> None:
    """Every blob is of an image, and every digest of an image is in the bundle, or is one that the box must have."""
    here, needs = contents.by_digest, set(contents.needs)
    if len(here) != len(contents.blobs):
        raise wrong("a blob stands twice")
    named: dict[str, int] = {}
    for image in contents.images:
        _check_documents(image, here)
        named |= dict.fromkeys((digest for digest in image.digests()), 0)
        for layer in image.layers:
            if (layer.source == IN_BUNDLE) != (layer.digest in here) or (layer.digest in here and here[layer.digest].size != layer.size):
                raise wrong("a layer that is not in the bundle as its image says")
            if layer.source == IN_BOX and layer.digest not in needs:
                raise wrong("a layer on the box that is not among what the bundle needs")
    _check_deltas(contents)
    if set(here) - set(named) - {delta.digest for delta in contents.deltas}:
        raise wrong("a blob that belongs to no image")


def _check_deltas(contents: Contents) -> None:
    """Each is here, is smaller than its layer, and makes one that comes so; each of those has one."""
    layers = {layer.digest: layer for image in contents.images for layer in image.layers if layer.source == AS_DELTA}
    targets = {delta.target for delta in contents.deltas}
    if targets != layers.keys() or len({(delta.target, delta.digest) for delta in contents.deltas}) != len(contents.deltas):
        raise wrong("a layer that comes as a delta without one, a delta of no such layer, or one that stands twice")
    for delta in contents.deltas:
        extent = contents.by_digest.get(delta.digest)
        if extent is None or extent.size >= layers[delta.target].size:
            raise wrong("a delta that is missing, or not smaller than its layer")


def _check_documents(image: BundledImage, here: Mapping[str, Extent]) -> None:
    sizes: list[tuple[str | None, int]] = [(image.index, limits.MANIFEST), (image.manifest, limits.MANIFEST), (image.config, limits.CONFIG)]
    sizes += [(digest, limits.IMAGE_SIGNATURE) for signature in image.signatures for digest in signature]
    for digest, most in sizes:
        if digest is not None and (digest not in here or here[digest].size > most):
            raise wrong("an index, manifest, config or signature that is missing or too large")
    signed = {digest for signature in image.signatures for digest in signature}
    if sum(here[digest].size for digest in signed) > limits.ALL_IMAGE_SIGNATURES:
        raise wrong(f"an image with more than {limits.ALL_IMAGE_SIGNATURES} bytes of signatures")
