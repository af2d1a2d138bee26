"""An image of the store as one tar stream: an OCI image layout (1.1) that Docker 20.10 reads too.

containerd reads `index.json` with the annotation `io.containerd.image.name`, and so does Docker with the containerd image store. Docker
with its own store reads `manifest.json` (image spec v1.2), so its tags stand in both.

Layers that the runtime has may be left out of the stream, from all of them (containerd 1.6 and 2.1, Docker 20.10 and 28.5).
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from kelvin_provision.errors import DigestMismatch
from kelvin_provision.files.durable import CHUNK, read_chunks
from kelvin_provision.files.hashing import verified
from kelvin_provision.files.tar_members import END, blob_path, header, padding
from kelvin_provision.refs import Descriptor, Reference
from kelvin_provision.runtimes.protocol import BlobPath
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.media_types import OCI_INDEX
from kelvin_provision.spec.rebuilt import NO_PLAIN, LocalImage, PlainLayers


@dataclass(frozen=True)
class FileSlice:
    """A blob, still in its file."""

    path: Path
    blob: Descriptor

    def open(self) -> BinaryIO:
        """Raises DigestMismatch for a missing file and for one of another size, which would break the tar: both are downloaded again."""
        try:
            file = self.path.open("rb", buffering=0)
        except FileNotFoundError as error:
            raise DigestMismatch(f"{self.blob.digest} is not in the store", evidence=[f"no file {self.path}"]) from error
        size = file.seek(0, 2)
        file.seek(0)
        if size != self.blob.size:
            file.close()
            raise DigestMismatch(f"{self.blob.digest}: the store has {size} of {self.blob.size} bytes")
        return file

    def read(self) -> Iterator[bytes]:
        """1 MiB at a time; raises DigestMismatch when the file shrinks or grows meanwhile."""
        remaining = self.blob.size
        with self.open() as file:
            while remaining and (chunk := file.read(min(CHUNK, remaining))):
                remaining -= len(chunk)
                yield chunk
        if remaining:
            raise DigestMismatch(f"{self.blob.digest}: {remaining} of {self.blob.size} bytes are missing in the store")


def parts(
    lock: ImageLock, blob: BlobPath, *, tag: str = "", plain: PlainLayers = NO_PLAIN, absent: Container[str] = ()
) -> Iterator[bytes | FileSlice]:
    """The stream in order: bytes, and blobs by file. Opens no file. The same arguments always give the same bytes.

    `tag` is the image's name in Docker, which refuses a digest there; without one it is `ImageLock.name`, which containerd takes.
    `absent`: digests of layers that are left out.
    """
    image = LocalImage(lock, plain)
    documents = {
        "oci-layout": _json({"imageLayoutVersion": "1.0.0"}),
        "index.json": _json(_index(image, tag)),
        "manifest.json": _json(_docker_manifest(image, tag)),
    }
    if image.document:
        documents[blob_path(image.root.digest)] = image.document
    for name, data in documents.items():
        yield header(name, len(data)) + data + padding(len(data))
    for part in image.blobs():
        if part.digest not in absent:
            yield header(blob_path(part.digest), part.size)
            yield FileSlice(blob(part), part)
            yield padding(part.size)
    yield END


def chunks(
    lock: ImageLock, blob: BlobPath, *, tag: str = "", plain: PlainLayers = NO_PLAIN, absent: Container[str] = ()
) -> Iterator[bytes]:
    """The stream as bytes, at most 1 MiB at a time. Raises DigestMismatch for a missing file or one of another size."""
    for part in parts(lock, blob, tag=tag, plain=plain, absent=absent):
        if isinstance(part, FileSlice):
            yield from part.read()
        else:
            yield part


def size(lock: ImageLock, *, tag: str = "") -> int:
    """Of the stream, in bytes."""
    stream = parts(lock, lambda _: Path(), tag=tag)
    return sum(part.blob.size if isinstance(part, FileSlice) else len(part) for part in stream)


def verify(lock: ImageLock, blob: BlobPath, plain: PlainLayers = NO_PLAIN) -> None:
    """Hash every blob of the image again; raises DigestMismatch, which names the first wrong one.

    For a runtime that refused the image: its message seldom tells that a blob of the store is corrupt.
    """
    for part in LocalImage(lock, plain).blobs():
        FileSlice(blob(part), part).open().close()
        for _ in verified(read_chunks(blob(part)), part.digest, part.size):
            pass


def _json(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _index(image: LocalImage, tag: str) -> dict[str, object]:
    root = {"mediaType": image.root.media_type, "digest": image.root.digest, "size": image.root.size}
    named = root | {"annotations": {"io.containerd.image.name": str(Reference.parse(tag)) if tag else image.lock.name}}
    return {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [named]}


def _docker_manifest(image: LocalImage, tag: str) -> list[dict[str, object]]:
    return [
        {
            "Config": blob_path(image.lock.config.digest),
            "RepoTags": [tag] if tag else [],
            "Layers": [blob_path(layer.digest) for layer in image.layers],
        }
    ]
