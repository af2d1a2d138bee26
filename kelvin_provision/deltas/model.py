"""The header of a delta of one layer, as a value. The format: ADR 0063.

The layer is a row of tiles, which cover it exactly once by construction. A tile is a copy of a range of a source, or the next bytes of
a block; a block is one zstd frame with a dictionary that is put together from ranges of the sources.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import NamedTuple

MAGIC = b"KPDELTA1"


@dataclass(frozen=True)
class Source:
    """A layer that a delta is made from: the digest of its uncompressed bytes, and their number."""

    diff_id: str
    size: int


class Tiles(NamedTuple):
    """`origins`: the number of a source, or after the sources that of a block. `offsets`: in the source; 0 for a block."""

    lengths: Sequence[int]
    origins: Sequence[int]
    offsets: Sequence[int]


class Blocks(NamedTuple):
    """Of each block its bytes, the bytes of its frame, and the number of ranges in its dictionary. Ranges are in the order of blocks."""

    lengths: Sequence[int]
    frames: Sequence[int]
    ranges: Sequence[int]


class Ranges(NamedTuple):
    """What dictionaries are put together from. Those of one block ascend and do not overlap."""

    sources: Sequence[int]
    offsets: Sequence[int]
    lengths: Sequence[int]


@dataclass(frozen=True)
class LayerDelta:
    """Columns, as there may be hundreds of thousands of rows. `memory`: the bytes of dictionaries that are held at once."""

    target: str
    size: int
    sources: tuple[Source, ...]
    tiles: Tiles
    blocks: Blocks
    ranges: Ranges
    memory: int


def held(blocks: Blocks, ranges: Ranges) -> int:
    """The most bytes of dictionaries at once: each counts as a whole from its first byte in the pass over the sources to its last."""
    spans = list[tuple[tuple[int, int], tuple[int, int], int]]()
    first = 0
    for count in blocks.ranges:
        if count:
            last = first + count - 1
            end = ranges.sources[last], ranges.offsets[last] + ranges.lengths[last]
            spans.append(((ranges.sources[first], ranges.offsets[first]), end, sum(ranges.lengths[first : last + 1])))
        first += count
    now = most = 0
    open_spans = list[tuple[tuple[int, int], int]]()
    for start, end, size in sorted(spans):
        while open_spans and open_spans[0][0] <= start:
            now -= heappop(open_spans)[1]
        heappush(open_spans, (end, size))
        now += size
        most = max(most, now)
    return most
