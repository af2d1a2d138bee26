"""The variants of an image for the nodes of other platforms: out of the index that the tag stood for, all pinned by it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from kelvin_provision.errors import ImageNotFound, ImageUnsupported, PlatformMissing
from kelvin_provision.refs import Platform, Reference
from kelvin_provision.registry.protocol import Resolved
from kelvin_provision.spec.lock import ImageLock


def with_variants(own: Resolved, others: Sequence[Platform], resolve: Callable[[Reference, Platform], Resolved]) -> Resolved:
    """The image with what its index has for `others`. Without any of them it stays as it is, and so does one that has no index.

    Resolved by the digest of the index: the tag may stand for another one by now. Raises as `Source.resolve`, but not for a platform that
    the index lacks.
    """
    index, documents = own.lock.index, dict(own.documents)
    if index is None:
        return own
    variants: dict[str, ImageLock] = {}
    for platform in others:
        try:
            image = resolve(replace(own.lock.reference, digest=index.digest), platform)
        except (PlatformMissing, ImageUnsupported, ImageNotFound):
            continue  # that node lacks it, which is said of the version
        if image.lock.manifest.digest != own.lock.manifest.digest:
            variants[image.lock.manifest.digest] = replace(image.lock, reference=own.lock.reference, index=index, by_index=True)
            documents |= image.documents
    if not variants:
        return own
    return Resolved(replace(own.lock, by_index=True, variants=tuple(variants.values())), documents)
