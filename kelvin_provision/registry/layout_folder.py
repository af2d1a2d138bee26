"""An OCI image layout on this disk as a source of images: one that skopeo or another tool wrote, or that of the store.

Its names are those of `index.json`: the complete reference, as `org.opencontainers.image.ref.name` or `io.containerd.image.name`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from kelvin_provision.errors import DigestMismatch, FileUnreadable, ImageNotFound, ManifestInvalid, ReferenceInvalid
from kelvin_provision.files.durable import CHUNK
from kelvin_provision.files.hashing import has_digest
from kelvin_provision.hints import system
from kelvin_provision.refs import Descriptor, Platform, Reference, is_digest
from kelvin_provision.registry import manifests
from kelvin_provision.registry.protocol import DeltaOffers, Resolved, SignatureDocuments, Stream
from kelvin_provision.registry.referring.deltas import deltas
from kelvin_provision.registry.referring.signatures import signatures
from kelvin_provision.registry.resolve import resolve
from kelvin_provision.spec.media_types import ANYTHING, ImageSupport

_NAMES = ("org.opencontainers.image.ref.name", "io.containerd.image.name")


class LayoutFolder:
    """Raises FileUnreadable for a folder that is no OCI layout."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._entries = list(_entries(folder))

    def resolve(self, reference: Reference, platform: Platform, support: ImageSupport = ANYTHING) -> Resolved:
        return resolve(_Repository(self, reference), reference, platform, support)

    @contextmanager
    def blob(self, reference: Reference, blob: Descriptor, offset: int) -> Iterator[Stream]:  # noqa: ARG002  (the protocol's signature)
        with self.open(blob) as file:
            file.seek(offset)
            yield Stream(offset, iter(lambda: file.read(CHUNK), b""))

    def signatures(self, reference: Reference, digest: str) -> SignatureDocuments:
        """By the tags that other tools copy."""
        return signatures(_Repository(self, reference), None, digest)

    def digest(self, reference: Reference, known: str = "") -> str:  # noqa: ARG002  (the protocol's signature)
        return self.named(reference).digest

    def manifest(self, reference: Reference) -> bytes:
        return _Repository(self, reference).manifest(reference.digest or self.named(reference).digest)[0]

    def deltas(self, reference: Reference, image: Descriptor) -> DeltaOffers:
        """By the tag, as signatures."""
        return deltas(_Repository(self, reference), None, image)

    def greet(self, host: str) -> None:
        """It always answers."""

    def close(self) -> None:
        """Nothing is kept open."""

    def open(self, blob: Descriptor) -> BinaryIO:
        """Raises ImageNotFound for a blob that is not there, DigestMismatch for one of another size."""
        path = self.path(blob.digest)
        try:
            file = path.open("rb", buffering=0)
        except OSError as error:
            raise ImageNotFound(f"{self.folder} lacks {blob.digest}", hint="copy the image to it again") from error
        if (size := path.stat().st_size) != blob.size:
            file.close()
            raise DigestMismatch(f"{path} has {size} of {blob.size} bytes", hint="copy the image to it again")
        return file

    def path(self, digest: str) -> Path:
        algorithm, _, encoded = digest.partition(":")
        return self.folder / "blobs" / algorithm / encoded

    def named(self, reference: Reference) -> Descriptor:
        """The image with this name, the last of several. Raises ImageNotFound."""
        names = [(name, entry) for entry in self._entries for name in _names(entry)]
        for name, entry in reversed(names):
            if name == reference:
                return manifests.descriptor(entry, str(reference))
        known = sorted({str(name) for name, _ in names})
        raise ImageNotFound(
            f"{reference} is not in {self.folder}",
            hint=system("skopeo", "copy", f"docker://{reference}", f"oci:{self.folder}:{reference}"),
            evidence=known[: manifests.MAX_LISTED],
        )


class _Repository:
    """The documents of one image."""

    def __init__(self, layout: LayoutFolder, reference: Reference) -> None:
        self._layout = layout
        self._reference = reference

    def manifest(self, reference: str, expected: Descriptor | None = None) -> tuple[bytes, str]:
        if is_digest(reference):
            return self._document(reference, expected.size if expected else None), ""
        own = reference in {self._reference.tag, "latest"}
        root = self._layout.named(self._reference if own else replace(self._reference, tag=reference, digest=None))
        return self._document(root.digest, root.size), root.media_type

    def small_blob(self, blob: Descriptor) -> bytes:
        return self._document(blob.digest, blob.size)

    def _document(self, digest: str, size: int | None) -> bytes:
        path = self._layout.path(digest)
        try:
            with path.open("rb") as file:
                data = file.read(manifests.LIMIT + 1)
        except OSError as error:
            raise ImageNotFound(f"{self._reference}: {self._layout.folder} lacks {digest}", hint="copy the image to it again") from error
        if len(data) > manifests.LIMIT:
            raise ManifestInvalid(f"{path} is larger than {manifests.LIMIT >> 20} MiB")
        if (size is not None and len(data) != size) or not has_digest(data, digest):
            raise DigestMismatch(f"{path} has other content", hint="copy the image to it again")
        return data


def _entries(folder: Path) -> Iterator[dict[str, Any]]:
    path = folder / "index.json"
    try:
        if not (folder / "oci-layout").is_file():
            raise FileUnreadable(f"{folder} is not an OCI image layout: it has no file oci-layout")
        with path.open("rb") as file:
            document = json.loads(file.read(manifests.LIMIT + 1))
    except OSError as error:
        raise FileUnreadable(f"{path}: {(error.strerror or str(error)).lower()}") from error
    except (ValueError, RecursionError) as error:
        raise FileUnreadable(f"{path} is not JSON") from error
    entries = document.get("manifests") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise FileUnreadable(f"{path} has no list of manifests")
    yield from (entry for entry in entries if isinstance(entry, dict))


def _names(entry: dict[str, Any]) -> Iterator[Reference]:
    annotations = entry.get("annotations")
    for key in _NAMES:
        name = annotations.get(key) if isinstance(annotations, dict) else None
        if isinstance(name, str):
            with suppress(ReferenceInvalid):
                yield Reference.parse(name)
