"""Manifests and indexes, OCI and Docker v2: bytes of a stranger to what we lock. Pure.

Media types: OCI image-spec 1.1 (manifest.md, image-index.md), distribution's manifest v2 schema 2.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from kelvin_provision.errors import ImageUnsupported, ManifestInvalid, PlatformMissing
from kelvin_provision.refs import Descriptor, Platform, is_digest

LIMIT = 4 << 20
"""Bytes of a document at the most: what every registry must accept (distribution-spec), and few would send."""
LAYERS = 512
SHOWN = 20
HUGE = 1 << 50
"""Bytes that no blob has; a number above is a mistake or a trick, and some of those who compute with it have 64 bits."""
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
SCHEMA_1 = frozenset({"application/vnd.docker.distribution.manifest.v1+json", "application/vnd.docker.distribution.manifest.v1+prettyjws"})
ACCEPT = (OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST)
CONFIGS = frozenset({"application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"})
_WORD = re.compile(r"[A-Za-z0-9._-]*")
_LAYER = "application/vnd.oci.image.layer.v1.tar"
LAYER_TYPES = frozenset({_LAYER, f"{_LAYER}+gzip", f"{_LAYER}+zstd", "application/vnd.docker.image.rootfs.diff.tar.gzip"})


def document(data: bytes, what: str) -> dict[str, Any]:
    """A JSON object; raises ManifestInvalid with what it is not."""
    if len(data) > LIMIT:
        raise ManifestInvalid(f"{what}: more than {LIMIT >> 20} MiB")
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ManifestInvalid(f"{what}: not JSON") from error
    if not isinstance(found, dict):
        raise ManifestInvalid(f"{what}: not a JSON object")
    return found


def media_type(found: dict[str, Any], header: str, what: str) -> str:
    """What a document is, by its own word, the registry's or its shape; raises ManifestInvalid, ImageUnsupported for schema 1."""
    own = found.get("mediaType")
    said = own if isinstance(own, str) and own else header.partition(";")[0].strip()
    if said in SCHEMA_1 or found.get("schemaVersion") == 1:
        raise ImageUnsupported(f"{what}: a manifest of schema 1, which is past", hint="push the image again with a current tool")
    if said not in ACCEPT:
        said = OCI_INDEX if "manifests" in found else OCI_MANIFEST if "layers" in found and "config" in found else said
    if said not in ACCEPT:
        raise ManifestInvalid(f"{what}: {_shown(said) or 'no media type'} is no image")
    if "manifests" in found and ("layers" in found or "config" in found):
        # One digest, two meanings: another tool may have checked the other one (CVE-2021-41190).
        raise ManifestInvalid(f"{what}: an index and a manifest in one document")
    return said


def is_index(kind: str) -> bool:
    """Whether it lists manifests of several platforms."""
    return kind in {OCI_INDEX, DOCKER_LIST}


def descriptor(value: Any, what: str) -> Descriptor:
    """A descriptor; raises ManifestInvalid when a field is missing or of the wrong kind."""
    found = value if isinstance(value, dict) else {}
    kind, digest, size = found.get("mediaType"), found.get("digest"), found.get("size")
    if not isinstance(kind, str) or not isinstance(digest, str) or not is_digest(digest):
        raise ManifestInvalid(f"{what}: a descriptor without a media type or a digest that we can verify")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < HUGE:
        raise ManifestInvalid(f"{what}: {digest} has no size")
    return Descriptor(kind, digest, size)


def choose(index: dict[str, Any], wanted: Platform, what: str) -> Descriptor:
    """The manifest for a platform; of several the closest variant. Raises PlatformMissing, which lists what is there."""
    entries = list(_entries(index, what))
    fitting = [(platform, entry) for platform, entry in entries if wanted.accepts(platform)]
    if not fitting:
        there = sorted({_shown(str(platform)) for platform, _ in entries}) or ["no platform at all"]
        more = f" and {len(there) - SHOWN} more" if len(there) > SHOWN else ""
        raise PlatformMissing(f"{what}: nothing for {wanted}; there is {', '.join(there[:SHOWN])}{more}")
    # Of two that are equally close the first counts (OCI image-spec, image-index.md). Only the chosen one has to be right.
    return descriptor(max(fitting, key=lambda found: wanted.closeness(found[0]))[1], what)


def _entries(index: dict[str, Any], what: str) -> Iterator[tuple[Platform, Any]]:
    entries = index.get("manifests")
    if not isinstance(entries, list):
        raise ManifestInvalid(f"{what}: an index without a list of manifests")
    for entry in entries:
        platform = entry.get("platform") if isinstance(entry, dict) else None
        # Attestations and signatures stand in indexes too: without a platform, or with `unknown`.
        if not isinstance(platform, dict) or "unknown" in (platform.get("os"), platform.get("architecture")):
            continue
        words = [platform.get(key) or "" for key in ("os", "architecture", "variant")]
        if all(isinstance(word, str) for word in words):
            yield Platform(*words), entry


def _shown(text: str) -> str:
    """A stranger's word, fit for a terminal and a log: no control characters, no half characters, no novels."""
    return "".join(sign if sign.isprintable() else "?" for sign in text[:100])


def parts(manifest: dict[str, Any], what: str) -> tuple[Descriptor, tuple[Descriptor, ...]]:
    """Config and layers; raises ManifestInvalid, ImageUnsupported for layers that lie elsewhere or are of a kind we don't know."""
    config = descriptor(manifest.get("config"), what)
    if config.media_type not in CONFIGS:
        raise ImageUnsupported(f"{what}: {_shown(config.media_type)} is not a container image", hint="push a container image")
    if config.size > LIMIT:
        raise ManifestInvalid(f"{what}: a config of {config.size} bytes")
    found = manifest.get("layers")
    if not isinstance(found, list) or len(found) > LAYERS:
        raise ManifestInvalid(f"{what}: no list of layers, or more than {LAYERS}")
    layers = tuple(descriptor(layer, what) for layer in found)
    for layer, given in zip(layers, found, strict=True):
        if layer.media_type not in LAYER_TYPES or given.get("urls"):
            why = "lies elsewhere" if given.get("urls") else f"is of kind {_shown(layer.media_type)}"
            raise ImageUnsupported(f"{what}: layer {layer.digest} {why}", hint="rebuild it from an open base image")
    return config, layers


def config_facts(data: bytes, what: str) -> tuple[Platform, tuple[str, ...]]:
    """Platform and diff ids of an image's config; raises ManifestInvalid."""
    config = document(data, what)
    words = [config.get(key) or "" for key in ("os", "architecture", "variant")]
    rootfs = config.get("rootfs")
    diff_ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if not all(isinstance(word, str) for word in words) or not words[0] or not words[1]:
        raise ManifestInvalid(f"{what}: a config that names no platform")
    if not isinstance(diff_ids, list) or not all(isinstance(item, str) and is_digest(item) for item in diff_ids):
        raise ManifestInvalid(f"{what}: a config without diff ids")
    if not all(_WORD.fullmatch(word) for word in words):
        raise ManifestInvalid(f"{what}: a config with the platform {_shown('/'.join(words))}")
    return Platform(*words), tuple(diff_ids)
