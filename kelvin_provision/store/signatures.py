"""Which blobs are signatures of an image: a small file for each image, named by its index, or by its manifest if it came from none.

They are needed as long as that index or manifest is.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from kelvin_provision.files.durable import private_folder, read_own, write_durably
from kelvin_provision.files.hashing import has_digest
from kelvin_provision.refs import Descriptor
from kelvin_provision.spec.signatures import SignatureFiles

_SOURCES = {"medium": True, "registry": False}
"""Where they came from: they share the room, and no registry may take that of the others."""


class SignatureIndex:
    """The caller holds the store's lock where it writes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(self, image: str) -> tuple[SignatureFiles, ...]:
        """Empty where there are none, or where the file was changed: they are fetched again."""
        return _read(self._path(image))

    def write(self, image: str, signatures: Sequence[SignatureFiles]) -> None:
        private_folder(self._folder)
        document = {source: [each.to_json() for each in signatures if each.medium is medium] for source, medium in _SOURCES.items()}
        write_durably(self._path(image), [json.dumps(document).encode() + b"\n"])

    def needed(self, images: Container[str]) -> Iterator[str]:
        """The digests of the signatures of these."""
        for path in self._files():
            if _image(path) in images:
                yield from (blob.digest for signature in _read(path) for blob in signature.blobs())

    def others(self, images: Container[str]) -> Iterator[Path]:
        """The files of all other images, and what a power cut left of a write."""
        yield from (path for path in self._files() if _image(path) not in images)

    def _files(self) -> list[Path]:
        with suppress(FileNotFoundError):
            return sorted(self._folder.iterdir())
        return []

    def _path(self, image: str) -> Path:
        return self._folder / f"{image.replace(':', '-', 1)}.json"


def _image(path: Path) -> str:
    return path.name.removesuffix(".json").replace("-", ":", 1)


def _read(path: Path) -> tuple[SignatureFiles, ...]:
    try:
        document = json.loads(read_own(path))
        return tuple(SignatureFiles.from_json(row, medium=medium) for source, medium in _SOURCES.items() for row in document[source])
    except (OSError, ValueError, TypeError, KeyError):
        return ()


def rows(signatures: Iterable[SignatureFiles]) -> set[tuple[object, ...]]:
    """What an index has of them, to compare it."""
    return {(each.medium, *((blob.digest, blob.size) for blob in each.blobs())) for each in signatures}


class _Blobs(Protocol):
    """What is needed of a store here."""

    def has(self, blob: Descriptor) -> bool: ...

    def put(self, blob: Descriptor, data: bytes) -> None: ...


def stored(signature: SignatureFiles, documents: Mapping[str, bytes], store: _Blobs) -> SignatureFiles | None:
    """What is in the store of a signature, with what comes now; None where that says nothing."""
    manifest, *payloads = (_has_or_put(blob, documents.get(blob.digest), store) for blob in signature.blobs())
    kept = tuple(blob for blob, is_there in zip(signature.payloads, payloads, strict=True) if is_there)
    return replace(signature, payloads=kept) if manifest and kept else None


def _has_or_put(blob: Descriptor, data: bytes | None, store: _Blobs) -> bool:
    """Never by a size that only was said: `has` would take a good blob for a damaged one."""
    if data is None:
        return store.has(blob)
    if len(data) != blob.size or not has_digest(data, blob.digest):
        return False
    store.put(blob, data)
    return True
