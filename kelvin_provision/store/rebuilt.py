"""Which layers are kept as they were rebuilt: a small file for each, named by the compressed layer, with the digest of the plain one.

A row is written before the plain layer gets its name, and says nothing while that is not there. Losing one costs a download.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Iterator
from contextlib import suppress
from pathlib import Path

from kelvin_provision.errors import DigestMismatch
from kelvin_provision.files.durable import private_folder, read_own, write_durably, writing_to
from kelvin_provision.refs import Descriptor, is_digest


class RebuiltIndex:
    """The caller holds the store's lock where it writes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def plain(self, layer: str) -> str | None:
        """The digest of a layer without compression, if it was rebuilt here."""
        try:
            digest = read_own(self._path(layer)).decode("ascii", "replace").strip()
        except OSError:
            return None
        return digest if is_digest(digest) else None

    def write(self, layer: str, plain: str) -> None:
        private_folder(self._folder)
        write_durably(self._path(layer), [f"{plain}\n".encode()])

    def needed(self, layers: Container[str], stored: Callable[[str], bool]) -> Iterator[str]:
        """The plain layers in place of these. One that is `stored` as it was published needs no other."""
        for path in self._files():
            layer = _layer(path)
            if layer in layers and not stored(layer) and (plain := self.plain(layer)):
                yield plain

    def others(self, layers: Container[str]) -> Iterator[Path]:
        """The files of all other layers, and what a power cut left of a write."""
        yield from (path for path in self._files() if _layer(path) not in layers)

    def _files(self) -> list[Path]:
        with suppress(FileNotFoundError):
            return sorted(self._folder.iterdir())
        return []

    def _path(self, layer: str) -> Path:
        return self._folder / layer.replace(":", "-", 1)


def _layer(path: Path) -> str:
    return path.name.replace("-", ":", 1)


class Rebuilding:
    """A layer that is being rebuilt: an empty file, written in any order through `descriptor`."""

    def __init__(self, plain: Descriptor, descriptor: int, on_commit: Callable[[int], None]) -> None:
        self.plain = plain
        self.descriptor = descriptor
        self._on_commit = on_commit

    def commit(self) -> None:
        """Sync it and give it its name. The caller has hashed what the file has, as `plain`. Raises DigestMismatch for another size."""
        size = os.fstat(self.descriptor).st_size
        if size != self.plain.size:
            raise DigestMismatch(f"{self.plain.digest}: {size} of {self.plain.size} bytes were rebuilt")
        with writing_to(Path(self.plain.digest)):
            os.fsync(self.descriptor)
        self._on_commit(self.descriptor)
