"""The images of an archive in a zip as `docker save` writes it. It has no manifest of the registry: one is made, the same one each time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, TypeGuard

from kelvin_provision.bundles import limits
from kelvin_provision.bundles.model import Extent
from kelvin_provision.bundles.zips.directory import wrong
from kelvin_provision.bundles.zips.images import Gathered
from kelvin_provision.bundles.zips.tars import Archive
from kelvin_provision.errors import ReferenceInvalid
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.dense import is_dense
from kelvin_provision.files.hashing import digest_of
from kelvin_provision.refs import Descriptor, Platform, Reference
from kelvin_provision.registry import manifests
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.media_types import OCI_MANIFEST

_CONFIG, _LAYER = "application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar"
_MAGIC = {b"\x1f\x8b": "+gzip", b"\x28\xb5": "+zstd"}
_BLOB = re.compile(r"(?:.*/)?blobs/(sha256)/([0-9a-f]{64})")


def add_archive(gathered: Gathered, archive: Archive, name: str) -> None:
    """Every image with a tag. It has no manifest of the registry: one is made, the same one each time."""
    rows = list(_rows(gathered, archive, name))
    configs = _configs(gathered, archive, ((path, tags[0]) for path, _, tags in rows))
    for path, paths, tags in rows:
        _add_saved(gathered, archive, configs[archive.member(path).offset], paths, tags)


def _rows(gathered: Gathered, archive: Archive, name: str) -> Iterator[tuple[str, list[str], list[str]]]:
    """Config, layers and tags of each image that has a tag."""
    data = archive.document
    if data is None:
        data = gathered.read(_extent(archive, "manifest.json"), limits.MANIFEST)
    else:
        gathered.take(len(data))
    for row in _list(data, name):
        tags = row.get("RepoTags") or []
        config, paths = row.get("Config"), row.get("Layers")
        if not isinstance(config, str) or not _texts(tags) or not _texts(paths):
            raise wrong(f"{name}: manifest.json has an image without config, tags or layers")
        if tags:
            yield config, paths, tags


@dataclass(frozen=True)
class _Config:
    """What is needed of one, and where it lies."""

    at: Extent
    described: Descriptor
    platform: Platform
    diff_ids: tuple[str, ...]


def _configs(gathered: Gathered, archive: Archive, rows: Iterable[tuple[str, str]]) -> dict[int, _Config]:
    """By offset, each read once and in the order in which they lie: a deflated archive is unpacked once for all of them."""
    names = {_extent(archive, path): tag for path, tag in rows}
    return {extent.offset: _config(gathered, extent, names[extent]) for extent in sorted(names, key=lambda extent: extent.offset)}


def _config(gathered: Gathered, extent: Extent, name: str) -> _Config:
    data = gathered.read(extent, limits.MANIFEST)
    platform, diff_ids = manifests.platform_and_diff_ids(data, name)
    if len(diff_ids) > limits.LAYERS:
        raise wrong(f"{name}: more than {limits.LAYERS} layers")
    return _Config(extent, Descriptor(_CONFIG, digest_of(data), len(data)), platform, diff_ids)


def _texts(value: Any) -> TypeGuard[list[str]]:
    return isinstance(value, list) and len(value) <= limits.LAYERS and all(isinstance(text, str) for text in value)


def _add_saved(gathered: Gathered, archive: Archive, config: _Config, paths: list[str], tags: list[str]) -> None:
    if len(config.diff_ids) != len(paths):
        raise wrong(f"{tags[0]}: {len(paths)} layers, but {len(config.diff_ids)} diff ids in the config")
    extents = {config.described.digest: config.at}
    layers = []
    for path, diff_id in zip(paths, config.diff_ids, strict=True):
        extent = _extent(archive, path)
        compression, digest = _layer(archive, path, diff_id)
        layers.append(Descriptor(f"{_LAYER}{compression}", digest, extent.size))
        extents[digest] = extent
    manifest = gathered.made(_manifest(config.described, layers))
    extents[manifest.digest] = manifest
    described = Descriptor(OCI_MANIFEST, manifest.digest, manifest.size)

    def place(digest: str) -> Extent | None:
        extent = extents.get(digest)
        return extent and Extent(digest, extent.offset, extent.size)

    for tag in tags:
        try:
            reference = replace(Reference.parse(tag), digest=manifest.digest)
        except ReferenceInvalid as error:
            raise wrong(f"{tag[:100]!r} is no name of an image") from error
        gathered.add(ImageLock(reference, config.platform, described, config.described, tuple(layers), config.diff_ids), place)


def _layer(archive: Archive, path: str, diff_id: str) -> tuple[str, str]:
    """How it is compressed, and its digest: that of what is unpacked where it is not, else the one in its name."""
    compression = _MAGIC.get(archive.member(path).start, "")
    if not compression:
        return "", diff_id
    match = _BLOB.fullmatch(path)
    if match is None:
        raise wrong(f"{path[:100]} is a compressed layer without its digest")
    return compression, f"{match[1]}:{match[2]}"


def _extent(archive: Archive, path: str) -> Extent:
    member = archive.member(path)
    return Extent("", member.offset, member.size)


def _manifest(config: Descriptor, layers: list[Descriptor]) -> bytes:
    def described(blob: Descriptor) -> dict[str, Any]:
        return {"mediaType": blob.media_type, "digest": blob.digest, "size": blob.size}

    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": described(config), "layers": list(map(described, layers))}
    return json.dumps(document, separators=(",", ":")).encode()


def _list(data: bytes, name: str) -> list[dict[str, Any]]:
    if is_dense(data):
        raise wrong(f"{name}: manifest.json is no list of images, but of empty values")
    try:
        rows = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise wrong(f"{name}: manifest.json is not JSON") from error
    if not isinstance(rows, list) or len(rows) > limits.IMAGES or not all(isinstance(row, dict) for row in rows):
        raise wrong(f"{name}: manifest.json is no list of images, or too long")
    return rows
