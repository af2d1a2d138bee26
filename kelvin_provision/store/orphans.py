"""What lies in the store and is needed by nobody, without freeing it. Reads only."""

from __future__ import annotations

from collections.abc import Container, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kelvin_provision.store.layout import Store


@dataclass(frozen=True)
class Leftovers:
    """Number and bytes of blobs, of partial downloads, and of files that were put aside because they were wrong."""

    blobs: tuple[int, int] = (0, 0)
    partials: tuple[int, int] = (0, 0)
    aside: tuple[int, int] = (0, 0)


def leftovers(store: Store, wanted: Container[str]) -> Leftovers:
    """`wanted` are the digests that a kept revision needs. What a running download holds may be among them for a moment."""
    blobs = [path for folder in _files(store.images / "blobs") for path in _files(folder) if f"{folder.name}:{path.name}" not in wanted]
    partials = [path for path in _files(store.partials) if ":".join(path.name.partition("-")[::2]) not in wanted]
    return Leftovers(_weighed(blobs), _weighed(partials), _weighed(list(_files(store.aside))))


def _files(folder: Path) -> Iterator[Path]:
    with suppress(FileNotFoundError):
        yield from sorted(folder.iterdir())


def _weighed(paths: list[Path]) -> tuple[int, int]:
    total = 0
    for path in paths:
        with suppress(FileNotFoundError):
            total += path.stat().st_size
    return len(paths), total
