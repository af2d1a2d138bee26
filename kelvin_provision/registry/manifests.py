"""Parsing manifests, indexes and configs, OCI and Docker v2, of untrusted registries. Pure. Media types: `spec.media_types`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from kelvin_provision.errors import ImageUnsupported, ManifestInvalid, PlatformMissing
from kelvin_provision.hints import command
from kelvin_provision.refs import Descriptor, Platform, is_digest
from kelvin_provision.spec.media_types import CONFIGS, DOCUMENTS, INDEXES, LAYERS, OCI_INDEX, OCI_MANIFEST, SCHEMA_1

LIMIT = 4 << 20
"""Most bytes of a document: name every registry must accept (distribution-spec), and few images need."""
MAX_LAYERS = 512
MAX_LISTED = 20
MAX_SIZE = 1 << 50
"""No blob is larger; a larger number is an error or an attack, and must not reach code that computes with 64 bits."""
_PLATFORM_FIELD = re.compile(r"[A-Za-z0-9._-]*")


def parse(data: bytes, name: str) -> dict[str, Any]:
    """A JSON object. Raises ManifestInvalid; `name` is the image, for messages."""
    if len(data) > LIMIT:
        raise ManifestInvalid(f"{name}: larger than {LIMIT >> 20} MiB")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ManifestInvalid(f"{name}: not valid JSON") from error
    if not isinstance(document, dict):
        raise ManifestInvalid(f"{name}: not a JSON object")
    return document


def media_type(document: dict[str, Any], content_type: str, name: str) -> str:
    """By the document's own `mediaType`, the registry's `Content-Type`, or its fields, in this order.

    Raises ManifestInvalid, and ImageUnsupported for schema 1.
    """
    own = document.get("mediaType")
    declared = own if isinstance(own, str) and own else content_type.partition(";")[0].strip()
    if declared in SCHEMA_1 or document.get("schemaVersion") == 1:
        raise ImageUnsupported(f"{name}: manifest schema 1 is no longer supported", hint="push the image again with a current tool")
    if declared not in DOCUMENTS:
        declared = OCI_INDEX if "manifests" in document else OCI_MANIFEST if "layers" in document and "config" in document else declared
    if declared not in DOCUMENTS:
        raise ManifestInvalid(f"{name}: not an image: {f'media type {_printable(declared)}' if declared else 'no media type'}")
    if "manifests" in document and ("layers" in document or "config" in document):
        # One digest, two meanings: another tool may have checked the other one (CVE-2021-41190).
        raise ManifestInvalid(f"{name}: the document is both an index and a manifest")
    return declared


def is_index(media_type: str) -> bool:
    return media_type in INDEXES


def descriptor(value: Any, name: str) -> Descriptor:
    """Raises ManifestInvalid when a field is missing or of the wrong type."""
    fields = value if isinstance(value, dict) else {}
    media_type, digest, size = fields.get("mediaType"), fields.get("digest"), fields.get("size")
    if not isinstance(media_type, str) or not isinstance(digest, str) or not is_digest(digest):
        raise ManifestInvalid(f"{name}: a descriptor without a media type or a supported digest")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < MAX_SIZE:
        raise ManifestInvalid(f"{name}: {digest} has no valid size")
    return Descriptor(media_type, digest, size)


def candidates(index: dict[str, Any], node: Platform, name: str) -> Iterator[Descriptor]:
    """The manifests that may be for the node's platform, the closest variant first; last those whose config alone tells the platform.

    So do containerd and Docker. Raises PlatformMissing, which lists the platforms, and ManifestInvalid for an entry that is reached.
    """
    entries = list(_entries(index, name))
    compatible = [(platform, entry) for platform, entry in entries if node.accepts(platform)]
    untold = [entry for entry in index["manifests"] if _is_image_without_platform(entry)]
    if not compatible and not untold:
        available = sorted({_printable(str(platform)) for platform, _ in entries}) or ["none"]
        more = f" and {len(available) - MAX_LISTED} more" if len(available) > MAX_LISTED else ""
        text = f"{name}: no image for platform {node}; available: {', '.join(available[:MAX_LISTED])}{more}"
        raise platform_missing(text, node, [platform for platform, _ in entries])
    # Of two that are equally close the first counts (OCI image-spec, image-index.md).
    compatible.sort(key=lambda candidate: node.closeness(candidate[0]), reverse=True)
    for entry in (*(entry for _, entry in compatible), *untold):
        yield descriptor(entry, name)


def platform_missing(text: str, node: Platform, available: Iterable[Platform]) -> PlatformMissing:
    """With the setting that would take one of them, where there is one."""
    narrow = any(node.would_accept(platform) for platform in available)
    return PlatformMissing(text, hint=command("config set", "runtime.run_32_bit", "true")) if narrow else PlatformMissing(text)


def _entries(index: dict[str, Any], name: str) -> Iterator[tuple[Platform, Any]]:
    entries = index.get("manifests")
    if not isinstance(entries, list):
        raise ManifestInvalid(f"{name}: an index without a list of manifests")
    for entry in entries:
        platform = entry.get("platform") if isinstance(entry, dict) else None
        # Attestations and signatures are in indexes, too, with the platform `unknown`.
        if not isinstance(platform, dict) or "unknown" in (platform.get("os"), platform.get("architecture")):
            continue
        system, architecture, variant = (platform.get(key) or "" for key in ("os", "architecture", "variant"))
        if all(isinstance(field, str) for field in (system, architecture, variant)):
            yield Platform(system, architecture, variant), entry


def _is_image_without_platform(entry: Any) -> bool:
    """The platform of an entry is optional (image-index.md). Artifacts have none either; what has a type of its own is one."""
    described = isinstance(entry, dict) and entry.get("platform") is None and not entry.get("artifactType")
    return described and entry.get("mediaType") in DOCUMENTS and not is_index(entry["mediaType"])


def _printable(text: str) -> str:
    """Untrusted text for terminals and logs: no control characters, no lone surrogates, at most 100 characters."""
    return "".join(character if character.isprintable() else "?" for character in text[:100])


def config_and_layers(manifest: dict[str, Any], name: str) -> tuple[Descriptor, tuple[Descriptor, ...]]:
    """Raises ManifestInvalid, and ImageUnsupported for foreign layers and unknown media types."""
    config = descriptor(manifest.get("config"), name)
    if config.media_type not in CONFIGS:
        raise ImageUnsupported(f"{name}: {_printable(config.media_type)} is not a container image", hint="push a container image")
    if config.size > LIMIT:
        raise ManifestInvalid(f"{name}: a config of {config.size} bytes, larger than {LIMIT >> 20} MiB")
    entries = manifest.get("layers")
    if not isinstance(entries, list) or len(entries) > MAX_LAYERS:
        raise ManifestInvalid(f"{name}: no list of layers, or more than {MAX_LAYERS}")
    layers = tuple(descriptor(entry, name) for entry in entries)
    for layer, entry in zip(layers, entries, strict=True):
        if layer.media_type not in LAYERS or entry.get("urls"):
            why = "is stored outside the registry" if entry.get("urls") else f"has media type {_printable(layer.media_type)}"
            hint = "rebuild the image on a base image without foreign layers"
            raise ImageUnsupported(f"{name}: layer {layer.digest} {why}, which is not supported", hint=hint)
    return config, layers


def platform_and_diff_ids(data: bytes, name: str) -> tuple[Platform, tuple[str, ...]]:
    """Of an image's config. Raises ManifestInvalid."""
    config = parse(data, name)
    fields = [config.get(key) or "" for key in ("os", "architecture", "variant")]
    rootfs = config.get("rootfs")
    diff_ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if not all(isinstance(field, str) for field in fields) or not fields[0] or not fields[1]:
        raise ManifestInvalid(f"{name}: a config without a platform")
    if not isinstance(diff_ids, list) or not all(isinstance(item, str) and is_digest(item) for item in diff_ids):
        raise ManifestInvalid(f"{name}: a config without diff ids")
    if not all(_PLATFORM_FIELD.fullmatch(field) for field in fields):
        raise ManifestInvalid(f"{name}: a config with the invalid platform {_printable('/'.join(fields))}")
    return Platform(fields[0], fields[1], fields[2]), tuple(diff_ids)
