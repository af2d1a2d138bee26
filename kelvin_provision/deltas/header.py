"""The header of a delta as bytes, and back. What is read is hostile: every number is checked here, and nowhere again.

`KPDELTA1`, the length of the frame in four bytes, one zstd frame with a line of JSON and the columns. The blocks' frames follow.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Sequence
from typing import Any, BinaryIO, NoReturn

from kelvin_provision.deltas import limits
from kelvin_provision.deltas.columns import WIDTH, folded, packed, unfolded, unpacked
from kelvin_provision.deltas.model import MAGIC, Blocks, LayerDelta, Ranges, Source, Tiles, held
from kelvin_provision.errors import DeltaInvalid
from kelvin_provision.refs import is_digest

_FRONT = len(MAGIC) + 4
_LINE = 8 << 10
_COLUMNS = {"tiles": 3, "blocks": 2, "ranges": 3}
_KEYS = {"target", "size", "sources", "memory", *_COLUMNS}


def encode(delta: LayerDelta) -> bytes:
    """Raises ValueError for one that a reader would refuse because of its number of rows."""
    from kelvin_provision.deltas import zstd

    counts = {"tiles": len(delta.tiles.lengths), "blocks": len(delta.blocks.frames), "ranges": len(delta.ranges.lengths)}
    sources = [[source.diff_id, source.size] for source in delta.sources]
    line = json.dumps({"target": delta.target, "size": delta.size, "sources": sources, "memory": delta.memory, **counts})
    copies = [origin < len(sources) for origin in delta.tiles.origins]
    columns = (
        *(delta.tiles.lengths, delta.tiles.origins, _jumps(delta.tiles.offsets, delta.tiles.lengths, copies)),
        *(delta.blocks.frames, delta.blocks.ranges),
        *(delta.ranges.sources, _jumps(delta.ranges.offsets, delta.ranges.lengths, [True] * counts["ranges"]), delta.ranges.lengths),
    )
    raw = b"".join((line.encode(), b"\n", *map(packed, columns)))
    if len(raw) > limits.HEADER:
        raise ValueError("too many pieces for one delta")
    frame = zstd.compressed(raw, b"", 19)
    return MAGIC + len(frame).to_bytes(4, "little") + frame


def _jumps(offsets: Sequence[int], lengths: Sequence[int], counted: Sequence[bool]) -> list[int]:
    """How far each begins from the end of the one before; 0 where there is no offset."""
    jumps, end = list[int](), 0
    for offset, length, counts in zip(offsets, lengths, counted, strict=True):
        jumps.append(offset - end if counts else 0)
        end = offset + length if counts else end
    return folded(jumps)


def _offsets(jumps: Sequence[int], lengths: Sequence[int], counted: Iterable[bool]) -> array[int]:
    """The inverse. Raises OverflowError where one is negative or does not fit."""
    offsets, end = array("Q"), 0
    for jump, length, counts in zip(unfolded(jumps), lengths, counted, strict=True):
        offsets.append(end + jump if counts else 0)
        end = end + jump + length if counts else end
    return offsets


def read(file: BinaryIO, size: int) -> tuple[LayerDelta, int]:
    """The header of a delta of `size` bytes, and where the first frame begins. Raises DeltaInvalid."""
    front = file.read(_FRONT)
    length = int.from_bytes(front[len(MAGIC) :], "little")
    if len(front) != _FRONT or not front.startswith(MAGIC) or length > min(limits.HEADER, size - _FRONT):
        _refuse("it is not one, or is cut off")
    delta = _decoded(file.read(length))
    if sum(delta.blocks.frames) != size - _FRONT - length:
        _refuse("it is cut off, or has more than its header says")
    return delta, _FRONT + length


def _decoded(frame: bytes) -> LayerDelta:
    from kelvin_provision.deltas import zstd

    try:
        size = zstd.content_size(frame)
        raw = zstd.decompressed(frame, size if size <= limits.HEADER else 0)
    except ValueError:
        _refuse("its header cannot be read")
    line, _, _ = raw[:_LINE].partition(b"\n")
    fields = _fields(line)
    columns: list[array[int]] = []
    at = len(line) + 1
    view = memoryview(raw)
    if len(raw) - at != WIDTH * sum(fields[name] * number for name, number in _COLUMNS.items()):
        _refuse("the columns of its header have another length")
    for name, number in _COLUMNS.items():
        for _ in range(number):
            columns.append(unpacked(view[at : at + WIDTH * fields[name]], fields[name]))
            at += WIDTH * fields[name]
    return _checked(fields, columns)


def _fields(line: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        _refuse("its header is not JSON")
    if not isinstance(fields, dict) or fields.keys() != _KEYS:
        _refuse("its header has other fields")
    most = dict.fromkeys(_COLUMNS, limits.HEADER) | {"size": limits.SIZE, "memory": limits.HELD}
    if any(type(fields[name]) is not int or not 0 <= fields[name] <= number for name, number in most.items()):
        _refuse("a number of its header is out of range")
    sources = fields["sources"]
    if not isinstance(sources, list) or not 0 < len(sources) <= limits.SOURCES:
        _refuse(f"it is made from no layer, or from more than {limits.SOURCES}")
    for source in sources:
        if not isinstance(source, list) or len(source) != 2 or type(source[1]) is not int or not 0 <= source[1] <= limits.SIZE:
            _refuse("a layer that it is made from has no size")
    digests = [fields["target"], *(source[0] for source in sources)]
    if not all(isinstance(digest, str) and is_digest(digest) for digest in digests) or len(set(digests)) != len(digests):
        _refuse("a layer that it is made from is listed twice, or has no digest")
    return fields


def _checked(fields: dict[str, Any], columns: Sequence[array[int]]) -> LayerDelta:
    lengths, origins, jumps, frames, counts, range_sources, range_jumps, range_lengths = columns
    sources = tuple(Source(*source) for source in fields["sources"])
    sizes = [source.size for source in sources]
    try:
        tiles = Tiles(lengths, origins, _offsets(jumps, lengths, (origin < len(sizes) for origin in origins)))
        ranges = Ranges(range_sources, _offsets(range_jumps, range_lengths, (True for _ in range_lengths)), range_lengths)
    except OverflowError:
        _refuse("an offset is out of range")
    if sum(lengths) != fields["size"]:
        _refuse("its parts do not cover the layer")
    blocks = Blocks(_block_lengths(tiles, sizes, len(frames)), frames, counts)
    if any(not 0 < frame <= limits.FRAME for frame in frames):
        _refuse("a frame is too large")
    _check_ranges(blocks, ranges, sizes)
    memory = held(blocks, ranges)
    if memory != fields["memory"] or memory > limits.HELD:
        _refuse("it needs more memory than it says, or than it may")
    return LayerDelta(fields["target"], fields["size"], sources, tiles, blocks, ranges, memory)


def _block_lengths(tiles: Tiles, sizes: Sequence[int], blocks: int) -> list[int]:
    lengths = [0] * blocks
    for length, origin, offset in zip(*tiles, strict=True):
        if not length or origin >= len(sizes) + blocks:
            _refuse("a part is empty, or names no source")
        if origin < len(sizes):
            if offset + length > sizes[origin]:
                _refuse("a part lies outside of the layer that it comes from")
        else:
            lengths[origin - len(sizes)] += length
    if any(not 0 < length <= limits.BLOCK for length in lengths):
        _refuse("a block is empty or too large")
    return lengths


def _check_ranges(blocks: Blocks, ranges: Ranges, sizes: Sequence[int]) -> None:
    if sum(blocks.ranges) != len(ranges.lengths):
        _refuse("a range belongs to no block")
    rows = zip(*ranges, strict=True)
    for count in blocks.ranges:
        total, before = 0, (0, 0)
        for _ in range(count):
            source, offset, length = next(rows)
            if source >= len(sizes) or not length or offset + length > sizes[source] or (source, offset) < before:
                _refuse("a range lies outside of the layer that it comes from, or not in order")
            total, before = total + length, (source, offset + length)
        if count and not limits.LEAST_DICTIONARY <= total <= limits.DICTIONARY:
            _refuse("a dictionary is too small or too large")


def _refuse(what: str) -> NoReturn:
    raise DeltaInvalid(f"the delta cannot be used: {what}")
