"""Counting what is stored and referenced by nothing, read-only and without the store's lock."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kelvin_provision.store.deltas import DeltaIndex
from kelvin_provision.store.layout import Layout
from kelvin_provision.store.rebuilt import RebuiltIndex
from kelvin_provision.store.signatures import SignatureIndex


@dataclass(frozen=True)
class Unreferenced:
    """Number and bytes of blobs, of partial downloads, and of quarantined files."""

    blobs: tuple[int, int] = (0, 0)
    partials: tuple[int, int] = (0, 0)
    quarantined: tuple[int, int] = (0, 0)


def unreferenced(layout: Layout, needed: Collection[str]) -> Unreferenced:
    """`needed` are the digests of all kept revisions. Blobs of a running download may be counted for a moment."""
    rebuilt = RebuiltIndex(layout.rebuilt).needed(needed, lambda digest: layout.blob(digest).exists())
    needed = {*needed, *SignatureIndex(layout.signatures).needed(needed), *rebuilt, *DeltaIndex(layout).needed(needed)}
    blobs = [path for folder in _list(layout.blobs) for path in _list(folder) if f"{folder.name}:{path.name}" not in needed]
    partials = [path for path in _list(layout.partials) if ":".join(path.name.partition("-")[::2]) not in needed]
    return Unreferenced(_measure(blobs), _measure(partials), _measure(list(_list(layout.quarantine))))


def _list(folder: Path) -> Iterator[Path]:
    with suppress(FileNotFoundError):
        yield from sorted(folder.iterdir())


def _measure(paths: list[Path]) -> tuple[int, int]:
    total = 0
    for path in paths:
        with suppress(FileNotFoundError):
            total += path.stat().st_size
    return len(paths), total
