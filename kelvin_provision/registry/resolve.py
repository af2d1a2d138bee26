"""From a reference to a lock: index, manifest and config, each fetched and verified, for one platform and one runtime."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import NamedTuple

from kelvin_provision.errors import ImageUnsupported, ManifestInvalid, PlatformMissing
from kelvin_provision.files.hashing import digest_of
from kelvin_provision.refs import Descriptor, Platform, Reference
from kelvin_provision.registry import manifests
from kelvin_provision.registry.protocol import Documents, Resolved
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.media_types import ANYTHING, ImageSupport

MAX_TRIED = 8
"""Entries of one index; each is two requests."""


class _Document(NamedTuple):
    descriptor: Descriptor
    data: bytes


def resolve(documents: Documents, reference: Reference, platform: Platform, support: ImageSupport = ANYTHING) -> Resolved:
    """See `Source.resolve`."""
    name = str(reference)
    data, content_type = documents.manifest(reference.digest or reference.tag or "latest")
    media_type = manifests.media_type(manifests.parse(data, name), content_type, name)
    root = _Document(Descriptor(media_type, reference.digest or digest_of(data), len(data)), data)
    if not manifests.is_index(media_type):
        return _image(documents, reference, platform, root)
    if reference.digest is not None and support.selects_in_index:
        support = ANYTHING  # it is given the index, and takes the entry that comes first whatever fits
    return _from_index(documents, reference, platform, root, support)


def _from_index(documents: Documents, reference: Reference, platform: Platform, index: _Document, support: ImageSupport) -> Resolved:
    """The first image that the runtime can unpack. If there is none, the first one: it is the runtime that says why it refuses it."""
    name, first, refused = str(reference), None, list[ImageUnsupported | PlatformMissing]()
    for entry in islice(manifests.candidates(manifests.parse(index.data, name), platform, name), MAX_TRIED):
        data, content_type = documents.manifest(entry.digest, entry)
        media_type = manifests.media_type(manifests.parse(data, name), content_type, name)
        if manifests.is_index(media_type):
            raise ManifestInvalid(f"{name}: an index in an index is not supported")
        try:
            image = _image(documents, reference, platform, _Document(replace(entry, media_type=media_type), data), index)
        except (ImageUnsupported, PlatformMissing) as error:
            refused.append(error)
            continue
        if not support.reason_against(tuple(layer.media_type for layer in image.lock.layers)):
            return image
        first = first or image
    if first is None:
        raise refused[0]
    return first


def _image(documents: Documents, reference: Reference, platform: Platform, manifest: _Document, index: _Document | None = None) -> Resolved:
    name = str(reference)
    config, layers = manifests.config_and_layers(manifests.parse(manifest.data, name), name)
    config_data = documents.small_blob(config)
    image_platform, diff_ids = manifests.platform_and_diff_ids(config_data, name)
    if not platform.accepts(image_platform):
        text = f"{name}: the image is for {image_platform}, but this node is {platform}"
        raise manifests.platform_missing(text, platform, [image_platform])
    if len(diff_ids) != len(layers):
        raise ManifestInvalid(f"{name}: {len(layers)} layers, but {len(diff_ids)} diff ids in the config")
    used = {document.descriptor.digest: document.data for document in (index, manifest) if document}
    lock = ImageLock(reference, image_platform, manifest.descriptor, config, layers, diff_ids, index.descriptor if index else None)
    return Resolved(lock, used | {config.digest: config_data})
