"""Which blobs are signatures of an image: a small file for each image, named by its index, or by its manifest if it came from none.

They are needed as long as that index or manifest is.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from kelvin_provision.files.durable import private_folder, read_own, write_durably
from kelvin_provision.spec.signatures import SignatureFiles


class SignatureIndex:
    """The caller holds the store's lock where it writes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(self, image: str) -> tuple[SignatureFiles, ...]:
        """Empty where there are none, or where the file was changed: they are fetched again."""
        return _read(self._path(image))

    def write(self, image: str, signatures: Sequence[SignatureFiles]) -> None:
        private_folder(self._folder)
        document = [signature.to_json() for signature in signatures]
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
        return tuple(SignatureFiles.from_json(row) for row in json.loads(read_own(path)))
    except (OSError, ValueError, TypeError):
        return ()
