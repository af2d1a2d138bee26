"""One pass over the sources: each range is written, or kept for a dictionary; a block is decompressed when its dictionary is complete."""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import BinaryIO

from kelvin_provision.deltas import zstd
from kelvin_provision.deltas.model import LayerDelta
from kelvin_provision.errors import DeltaInvalid


class Assembly:
    """`target` is the descriptor of the new layer; frames begin at `start` of `file`."""

    def __init__(self, layer: LayerDelta, file: BinaryIO, start: int, target: int) -> None:
        self._layer, self._file, self._target = layer, file, target
        sources = len(layer.sources)
        self._places = _starts(layer.tiles.lengths)
        self._frames = _starts(layer.blocks.frames, start)
        self._tiles = _grouped(layer.tiles.origins, sources + len(layer.blocks.frames))
        self._block_of = array("I", (block for block, count in enumerate(layer.blocks.ranges) for _ in range(count)))
        self._missing = array("Q", layer.blocks.ranges)
        self._first_range = _starts(layer.blocks.ranges)
        self._dictionaries: dict[int, _Dictionary] = {}
        tiles, ranges = layer.tiles, layer.ranges
        range_rows = _grouped(ranges.sources, sources)
        self._copies = [_RangeCursor(self._tiles[source], tiles.offsets, tiles.lengths) for source in range(sources)]
        self._ranges = [_RangeCursor(range_rows[source], ranges.offsets, ranges.lengths) for source in range(sources)]

    def begin(self, stop: Callable[[], None]) -> None:
        """Write the blocks that have no dictionary. Raises DeltaInvalid."""
        for block, count in enumerate(self._missing):
            if not count:
                stop()
                self._unpack(block)

    def needs(self, source: int) -> bool:
        """Whether any range of this source is still to be read."""
        return bool(self._copies[source] or self._ranges[source])

    def take(self, source: int, start: int, chunk: memoryview) -> None:
        """The next bytes of the source, which begin at `start`. Raises DeltaInvalid, and OSError of the target."""
        for tile, at, part in self._copies[source].within(start, chunk):
            self._put(part, self._places[tile] + at)
        for row, at, part in self._ranges[source].within(start, chunk):
            block = self._block_of[row]
            if block not in self._dictionaries:
                self._dictionaries[block] = _Dictionary(self._size_of_dictionary(block))
            self._dictionaries[block].append(part)
            if at + len(part) == self._layer.ranges.lengths[row]:
                self._missing[block] -= 1
                if not self._missing[block]:
                    self._unpack(block)

    def _size_of_dictionary(self, block: int) -> int:
        first = self._first_range[block]
        return sum(self._layer.ranges.lengths[first : first + self._layer.blocks.ranges[block]])

    def _unpack(self, block: int) -> None:
        length, frame = self._layer.blocks.lengths[block], self._layer.blocks.frames[block]
        gathered = self._dictionaries.pop(block, None)
        dictionary = gathered.data if gathered else None
        self._file.seek(self._frames[block])
        try:
            data = zstd.decompressed(self._file.read(frame), length, dictionary)
        except ValueError as error:
            raise DeltaInvalid(f"the delta cannot be used: {error}") from error
        at, view = 0, memoryview(data)
        for tile in self._tiles[len(self._layer.sources) + block]:
            size = self._layer.tiles.lengths[tile]
            self._put(view[at : at + size], self._places[tile])
            at += size

    def _put(self, part: memoryview, place: int) -> None:
        while part:
            written = os.pwrite(self._target, part, place)
            part, place = part[written:], place + written


class _Dictionary:
    """Allocated at its full size: a buffer that grows is copied, and takes twice its memory meanwhile."""

    def __init__(self, size: int) -> None:
        self.data = bytearray(size)
        self._filled = 0

    def append(self, part: memoryview) -> None:
        self.data[self._filled : self._filled + len(part)] = part
        self._filled += len(part)


class _RangeCursor:
    """The ranges of one source, by where they begin, while its bytes are read. False when no range is left."""

    def __init__(self, rows: array[int], offsets: Sequence[int], lengths: Sequence[int]) -> None:
        self._rows = array("I", sorted(rows, key=offsets.__getitem__))
        self._offsets, self._lengths = offsets, lengths
        self._next, self._open = 0, list[int]()

    def __bool__(self) -> bool:
        return bool(self._open) or self._next < len(self._rows)

    def within(self, start: int, chunk: memoryview) -> list[tuple[int, int, memoryview]]:
        """For each range with bytes in the chunk: its row, the offset of the bytes in the range, and the bytes."""
        end = start + len(chunk)
        while self._next < len(self._rows) and self._offsets[self._rows[self._next]] < end:
            self._open.append(self._rows[self._next])
            self._next += 1
        parts, still = list[tuple[int, int, memoryview]](), list[int]()
        for row in self._open:
            offset, last = self._offsets[row], self._offsets[row] + self._lengths[row]
            first = max(offset, start)
            parts.append((row, first - offset, chunk[first - start : min(last, end) - start]))
            if last > end:
                still.append(row)
        self._open = still
        return parts


def _starts(lengths: Sequence[int], start: int = 0) -> array[int]:
    """Where each begins, one directly after the other."""
    return array("Q", accumulate(lengths, initial=start))


def _grouped(keys: Sequence[int], count: int) -> list[array[int]]:
    """The rows that have each key, in order."""
    groups = [array("I") for _ in range(count)]
    for row, key in enumerate(keys):
        groups[key].append(row)
    return groups
