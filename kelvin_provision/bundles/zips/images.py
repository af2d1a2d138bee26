"""What is gathered of a zip of another program, and the images of an OCI image layout in it. For archives see `saved.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from kelvin_provision.bundles import limits
from kelvin_provision.bundles.model import BundledImage, Extent
from kelvin_provision.bundles.writing.from_locks import bundled
from kelvin_provision.bundles.zips.directory import wrong
from kelvin_provision.bundles.zips.unpacked import Unpacked
from kelvin_provision.errors import ReferenceInvalid
from kelvin_provision.files.hashing import digest_of
from kelvin_provision.files.tar_members import blob_path
from kelvin_provision.refs import Descriptor, Reference
from kelvin_provision.registry import manifests
from kelvin_provision.spec.lock import ImageLock

_NAMES = ("io.containerd.image.name", "org.opencontainers.image.ref.name")

Place = Callable[[str], Extent | None]
"""Where the blob with this digest is; None for one that is not in the zip."""


@dataclass
class Gathered:
    """What a zip has: blobs by digest, and documents that are made of it, which lie behind it."""

    unpacked: Unpacked
    images: list[BundledImage] = field(default_factory=list)
    blobs: dict[str, Extent] = field(default_factory=dict)
    documents: bytearray = field(default_factory=bytearray)
    left: int = limits.DOCUMENTS

    def read(self, extent: Extent, most: int) -> bytes:
        """A document of at most this many bytes. Raises BundleInvalid."""
        if extent.size > most:
            raise wrong(f"a document of {extent.size} bytes, the limit is {most}")
        self.take(extent.size)
        return b"".join(self.unpacked.read(extent.offset, extent.size))

    def take(self, size: int) -> None:
        """Another document of so many bytes is read; a large one may be named by a thousand rows. Raises BundleInvalid."""
        self.left -= size
        if self.left < 0:
            raise wrong(f"more than {limits.DOCUMENTS} bytes of documents")

    def made(self, data: bytes) -> Extent:
        """A document behind the zip."""
        extent = Extent(digest_of(data), self.unpacked.total + len(self.documents), len(data))
        self.documents += data
        return extent

    def add(self, lock: ImageLock, place: Place) -> None:
        """An image, of whose layers those that are not in the zip must be on the box."""
        if len(self.images) >= limits.IMAGES:
            raise wrong(f"more than {limits.IMAGES} images")
        for digest in (blob.digest for blob in lock.blobs()):
            extent = place(digest)
            if extent is not None:
                self.blobs.setdefault(digest, extent)
        self.images.append(bundled(lock, frozenset(layer.digest for layer in lock.layers) - self.blobs.keys()))


# --- OCI image layouts ----------------------------------------------------------------------------------


def add_layout(gathered: Gathered, names: dict[str, Extent], prefix: str) -> None:
    """Every image of it that has a complete name. Raises BundleInvalid, ManifestInvalid, ImageUnsupported."""

    def place(digest: str) -> Extent | None:
        extent = names.get(f"{prefix}{blob_path(digest)}")
        return extent and Extent(digest, extent.offset, extent.size)

    index = manifests.parse(gathered.read(names[f"{prefix}index.json"], limits.MANIFEST), "index.json")
    rows = index.get("manifests")
    if not isinstance(rows, list) or len(rows) > limits.IMAGES:
        raise wrong("an index.json without a list of images, or with too many")
    for row in rows:
        name = _name(row)
        if name is not None:
            for lock in _locks(gathered, place, name, manifests.descriptor(row, str(name))):
                gathered.add(lock, place)


def _name(row: Any) -> Reference | None:
    annotations = row.get("annotations") if isinstance(row, dict) else None
    for key in _NAMES:
        text = annotations.get(key) if isinstance(annotations, dict) else None
        if isinstance(text, str) and ("/" in text or ":" in text):
            with suppress(ReferenceInvalid):
                return Reference.parse(text)
    return None


def _locks(gathered: Gathered, place: Place, name: Reference, root: Descriptor) -> Iterator[ImageLock]:
    data = _document(gathered, place, root)
    reference = replace(name, digest=root.digest)
    if not manifests.is_index(manifests.media_type(manifests.parse(data, str(name)), root.media_type, str(name))):
        yield _lock(gathered, place, reference, root)
        return
    rows = manifests.parse(data, str(name)).get("manifests")
    if not isinstance(rows, list) or len(rows) > limits.IMAGES:
        raise wrong(f"{name}: an index without a list of manifests, or with too many")
    for row in rows:
        if not isinstance(row, dict) or row.get("artifactType") or not _may_be_image(row.get("platform")):
            continue
        entry = manifests.descriptor(row, str(name))
        if place(entry.digest) is not None:
            yield replace(_lock(gathered, place, reference, entry), index=root)


def _may_be_image(platform: Any) -> bool:
    """Attestations and signatures are in indexes, too, with the platform `unknown`; an image may have none there."""
    return platform is None or (isinstance(platform, dict) and "unknown" not in (platform.get("os"), platform.get("architecture")))


def _lock(gathered: Gathered, place: Place, reference: Reference, manifest: Descriptor) -> ImageLock:
    name = str(reference)
    config, layers = manifests.config_and_layers(manifests.parse(_document(gathered, place, manifest), name), name)
    platform, diff_ids = manifests.platform_and_diff_ids(_document(gathered, place, config), name)
    if len(diff_ids) != len(layers):
        raise wrong(f"{name}: {len(layers)} layers, but {len(diff_ids)} diff ids in the config")
    return ImageLock(reference, platform, manifest, config, layers, diff_ids)


def _document(gathered: Gathered, place: Place, blob: Descriptor) -> bytes:
    extent = place(blob.digest)
    if extent is None:
        raise wrong(f"{blob.digest} is not in it")
    data = gathered.read(extent, limits.MANIFEST)
    if len(data) != blob.size or digest_of(data, blob.digest.partition(":")[0]) != blob.digest:
        raise wrong(f"{blob.digest} has other content")
    return data
