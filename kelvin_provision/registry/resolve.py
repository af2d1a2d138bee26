"""From a reference to a lock: index, manifest and config, each fetched and verified, for one platform."""

from __future__ import annotations

from dataclasses import replace

from kelvin_provision.errors import ManifestInvalid
from kelvin_provision.files.hashing import digest_of
from kelvin_provision.refs import Descriptor, Platform, Reference
from kelvin_provision.registry import manifests
from kelvin_provision.registry.protocol import Resolved
from kelvin_provision.registry.repository import Repository
from kelvin_provision.spec.lock import ImageLock


def resolve(repository: Repository, reference: Reference, platform: Platform) -> Resolved:
    """See `Source.resolve`."""
    name = str(reference)
    data, content_type = repository.manifest(reference.digest or reference.tag or "latest")
    document = manifests.parse(data, name)
    media_type = manifests.media_type(document, content_type, name)
    root = Descriptor(media_type, reference.digest or digest_of(data), len(data))
    documents = {root.digest: data}
    index, manifest = None, root
    if manifests.is_index(media_type):
        index, manifest = root, manifests.choose(document, platform, name)
        data, content_type = repository.manifest(manifest.digest, manifest)
        document = manifests.parse(data, name)
        manifest = replace(manifest, media_type=manifests.media_type(document, content_type, name))
        if manifests.is_index(manifest.media_type):
            raise ManifestInvalid(f"{name}: an index in an index is not supported")
        documents[manifest.digest] = data
    config, layers = manifests.config_and_layers(document, name)
    documents[config.digest] = repository.small_blob(config)
    image_platform, diff_ids = manifests.platform_and_diff_ids(documents[config.digest], name)
    if not platform.accepts(image_platform):
        text = f"{name}: the image is for {image_platform}, but this node is {platform}"
        raise manifests.platform_missing(text, platform, [image_platform])
    if len(diff_ids) != len(layers):
        raise ManifestInvalid(f"{name}: {len(layers)} layers, but {len(diff_ids)} diff ids in the config")
    return Resolved(ImageLock(reference, image_platform, manifest, config, layers, diff_ids, index), documents)
