"""How a delta is made, at a desk or in a build."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from kelvin_provision.deltas.making.matching import Copy, Piece, matched
from kelvin_provision.deltas.making.members import Layer, members
from kelvin_provision.deltas.making.planning import in_blocks
from kelvin_provision.deltas.making.writing import write
from kelvin_provision.deltas.model import Source
from kelvin_provision.deltas.plain import plain
from kelvin_provision.files.hashing import Hasher

_LEAST = 100
"""A layer that gives less than this part of what the largest one gives is not used."""


@dataclass(frozen=True)
class Made:
    """A delta that was written: `size` bytes that make the layer `target` of `target_size` bytes out of `sources`."""

    digest: str
    size: int
    target: str
    target_size: int
    sources: tuple[Source, ...]
    memory: int
    seconds: float


def make_layer(old: BinaryIO, new: BinaryIO, output: BinaryIO, folder: Path | None = None, stop: Callable[[], None] = lambda: None) -> Made:
    """`old` and `new` are layers, plain, gzip or zstd. Needs disk space for both, uncompressed, in the folder (of temporary files).

    Raises `plain.NotReadable`, and ValueError for layers with too many pieces for one delta.
    """
    began = time.monotonic()
    with opened(old, folder, stop) as source, opened(new, folder, stop) as target:
        made = make([source], target, output, folder, stop)
    return replace(made, seconds=time.monotonic() - began)


@contextmanager
def opened(layer: BinaryIO, folder: Path | None = None, stop: Callable[[], None] = lambda: None) -> Iterator[Layer]:
    """A layer as a plain file with what is in it. Raises `plain.NotReadable`."""
    with tempfile.TemporaryFile(dir=folder) as file:
        hasher = Hasher()
        for chunk in plain(layer):
            stop()
            hasher.update(chunk)
            file.write(chunk)
        file.flush()
        yield Layer(file, hasher.digest, hasher.size, members(file, hasher.size, stop))


def make(olds: Sequence[Layer], new: Layer, output: BinaryIO, folder: Path | None = None, stop: Callable[[], None] = lambda: None) -> Made:
    """Out of those of the layers from which enough is taken. Raises ValueError for a layer with too many pieces for one delta."""
    began = time.monotonic()
    rows = list(matched(olds, new, stop))
    if len(used := _used(olds, rows)) < len(olds):
        olds = used
        rows = list(matched(olds, new, stop))
    blocks = in_blocks(row for row in rows if isinstance(row, Piece))
    delta, hasher = write(olds, new, rows, blocks, output, folder=folder, stop=stop)
    return Made(hasher.digest, hasher.size, delta.target, delta.size, delta.sources, delta.memory, time.monotonic() - began)


def _used(olds: Sequence[Layer], rows: Iterable[Copy | Piece]) -> list[Layer]:
    """A box must have each, and reads it to its end: one that gives next to nothing costs more than that."""
    taken = [0] * len(olds)
    for row in rows:
        if place := row.place if isinstance(row, Copy) else row.like:
            taken[place.source] += place.length
    most = max(taken)
    return [old for number, old in enumerate(olds) if taken[number] * _LEAST > most] or list(olds[:1])
