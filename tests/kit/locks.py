"""From the images of `tests.kit.images` to what the program knows of them: a lock, and files of blobs."""

import json
from pathlib import Path

from kelvin_provision.refs import Descriptor, Platform, Reference
from kelvin_provision.runtimes.protocol import BlobPath
from kelvin_provision.spec.lock import ImageLock
from tests.kit.images import OCI_INDEX, Image, sha256

AMD64 = Platform("linux", "amd64")


def _described(entry: dict) -> Descriptor:
    return Descriptor(entry["mediaType"], entry["digest"], entry["size"])


def lock_of(image: Image, reference: str, platform: Platform = AMD64, *, index: bytes | None = None) -> ImageLock:
    """The lock that staging `image` under `reference` would write; `index` is the document it was chosen from."""
    manifest = json.loads(image.manifest)
    config = _described(manifest["config"])
    return ImageLock(
        reference=Reference.parse(reference),
        platform=platform,
        manifest=Descriptor(image.media_type, image.digest, len(image.manifest)),
        config=config,
        layers=tuple(_described(layer) for layer in manifest["layers"]),
        diff_ids=tuple(json.loads(image.blobs[config.digest])["rootfs"]["diff_ids"]),
        index=Descriptor(OCI_INDEX, sha256(index), len(index)) if index is not None else None,
    )


def blobs_in(folder: Path, image: Image, *documents: bytes) -> BlobPath:
    """Write every blob of `image`, its manifest and further documents (an index) to files; returns where each one is."""
    folder.mkdir(parents=True, exist_ok=True)

    def path(blob: Descriptor) -> Path:
        return folder / blob.digest.replace(":", "-")

    for data in (image.manifest, *image.blobs.values(), *documents):
        (folder / sha256(data).replace(":", "-")).write_bytes(data)
    return path
