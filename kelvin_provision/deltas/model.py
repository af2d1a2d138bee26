"""The header of a delta of one layer, as a value. The format: ADR 0063.

The layer is a row of tiles, which cover it exactly once by construction. A tile is a copy of a range of a source, or the next bytes of
a block; a block is one zstd frame with a dictionary that is put together from ranges of the sources.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MAGIC = b"KPDELTA1"


@dataclass(frozen=True)
class Source:
    """A layer that a delta is made from: the digest of its uncompressed bytes, and their number."""

    diff_id: str
    size: int


@dataclass(frozen=True)
class LayerDelta:
    """Columns, as there may be hundreds of thousands of rows.

    `tiles`: length, the number of the source or (after the sources) of the block, and the offset in the source (0 for a block).
    `blocks`: the bytes of the block, of its frame, and how many of `ranges` its dictionary has.
    `ranges`: source, offset and length, in the order of the dictionary, which is that of the sources' bytes.
    `memory`: the bytes of dictionaries that are held at once.
    """

    target: str
    size: int
    sources: tuple[Source, ...]
    tile_lengths: Sequence[int]
    tile_origins: Sequence[int]
    tile_offsets: Sequence[int]
    block_lengths: Sequence[int]
    block_frames: Sequence[int]
    block_ranges: Sequence[int]
    range_sources: Sequence[int]
    range_offsets: Sequence[int]
    range_lengths: Sequence[int]
    memory: int
