"""The bytes of a delta: its blocks compressed on all processors, then its header in front of them."""

from __future__ import annotations

import os
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from kelvin_provision.deltas import header, zstd
from kelvin_provision.deltas.making.matching import Copy, Piece
from kelvin_provision.deltas.making.members import Layer
from kelvin_provision.deltas.making.planning import Block, tiles
from kelvin_provision.deltas.model import Blocks, LayerDelta, Ranges, Source, Tiles, held
from kelvin_provision.files.hashing import Hasher

_LEVEL = 12
_CHUNK = 1 << 20


def write(
    olds: Sequence[Layer],
    new: Layer,
    rows: Sequence[Copy | Piece],
    blocks: Sequence[Block],
    output: BinaryIO,
    *,
    folder: Path | None,
    stop: Callable[[], None],
) -> tuple[LayerDelta, Hasher]:
    """The delta, and what was written hashed. Raises ValueError where there are too many pieces for one delta."""
    with tempfile.TemporaryFile(dir=folder) as frames:
        sizes = list[int]()
        for frame in _frames(olds, new, blocks, stop):
            frames.write(frame)
            sizes.append(len(frame))
        delta = _delta(olds, new, rows, blocks, sizes)
        hasher, chunk = Hasher(), header.encode(delta)
        frames.seek(0)
        while chunk:
            hasher.update(chunk)
            output.write(chunk)
            chunk = frames.read(_CHUNK)
    return delta, hasher


def _delta(olds: Sequence[Layer], new: Layer, rows: Sequence[Copy | Piece], blocks: Sequence[Block], sizes: Sequence[int]) -> LayerDelta:
    pieces = tiles(rows, blocks, len(olds))
    places = [place for block in blocks for place in block.ranges]
    ranges = Ranges(*([place[field] for place in places] for field in range(3)))
    made = Blocks([block.length for block in blocks], sizes, [len(block.ranges) for block in blocks])
    sources = tuple(Source(old.diff_id, old.size) for old in olds)
    return LayerDelta(
        new.diff_id, new.size, sources, Tiles(*([piece[field] for piece in pieces] for field in range(3))), made, ranges, held(made, ranges)
    )


def _frames(olds: Sequence[Layer], new: Layer, blocks: Sequence[Block], stop: Callable[[], None]) -> Iterator[bytes]:
    """In order; as many at once as there are processors, which zstd uses without Python's lock."""
    workers = min(os.cpu_count() or 1, 4)
    under_way = deque[Future[bytes]]()
    with ThreadPoolExecutor(workers) as pool:
        for block in blocks:
            stop()
            under_way.append(pool.submit(_frame, olds, new, block))
            if len(under_way) > workers:
                yield under_way.popleft().result()
        for future in under_way:
            stop()
            yield future.result()


def _frame(olds: Sequence[Layer], new: Layer, block: Block) -> bytes:
    dictionary = b"".join(olds[place.source].bytes(place.offset, place.length) for place in block.ranges)
    return zstd.compressed(b"".join(new.bytes(piece.start, piece.length) for piece in block.pieces), dictionary, _LEVEL)
