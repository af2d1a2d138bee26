"""Pieces in blocks, in the order of the old layers, so that few dictionaries are held at once. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush
from typing import NamedTuple

from kelvin_provision.deltas import limits
from kelvin_provision.deltas.making.matching import Copy, Piece, Place

SMALL = 4 << 20
"""Bytes of dictionary of a block of small pieces."""


class Block(NamedTuple):
    """`pieces` in the order of the new layer; `ranges` in that of the old ones, none of them overlapping."""

    pieces: list[Piece]
    ranges: list[Place]

    @property
    def length(self) -> int:
        return sum(piece.length for piece in self.pieces)


def in_blocks(pieces: Iterable[Piece]) -> list[Block]:
    """In the order in which a reader unpacks them."""
    return sorted(_affordable(_blocks(_by_old_place(pieces))), key=_finished)


def _by_old_place(pieces: Iterable[Piece]) -> list[Piece]:
    """What resembles nothing goes with its neighbour in the new layer: that is where text of its kind is."""
    keyed, place = list[tuple[tuple[int, int], Piece]](), (0, 0)
    for piece in pieces:
        if piece.like:
            place = piece.like.source, piece.like.offset
        keyed.append((place, piece))
    keyed.sort(key=lambda row: row[0])
    return [piece for _, piece in keyed]


def _blocks(pieces: Iterable[Piece]) -> Iterator[Block]:
    """A piece that is alone ends the block before it, so that the dictionaries of both are not held at once."""
    now = list[Piece]()
    length = known = 0
    for piece in pieces:
        old = piece.like.length if piece.like else 0
        if now and (piece.alone or length + piece.length > limits.BLOCK or known + old > SMALL):
            yield _block(now)
            now, length, known = [], 0, 0
        now.append(piece)
        length, known = length + piece.length, known + old
        if piece.alone:
            yield _block(now)
            now, length, known = [], 0, 0
    if now:
        yield _block(now)


def _block(pieces: Sequence[Piece]) -> Block:
    ranges = _merged(piece.like for piece in pieces if piece.like)
    total = sum(place.length for place in ranges)
    return Block(sorted(pieces), ranges if limits.LEAST_DICTIONARY <= total <= limits.DICTIONARY else [])


def _merged(places: Iterable[Place]) -> list[Place]:
    merged = list[Place]()
    for place in sorted(places):
        before = merged[-1] if merged else None
        if before and before.source == place.source and place.offset <= before.offset + before.length:
            end = max(before.offset + before.length, place.offset + place.length)
            merged[-1] = Place(before.source, before.offset, end - before.offset)
        else:
            merged.append(place)
    return merged


def _affordable(blocks: Iterable[Block]) -> Iterator[Block]:
    """Without the dictionaries that a reader could not hold beside the others, as `model.held` counts them."""
    held, ends = 0, list[tuple[tuple[int, int], int]]()
    for block in sorted(blocks, key=lambda block: block.ranges[:1]):
        if not block.ranges:
            yield block
            continue
        first, size = block.ranges[0], sum(place.length for place in block.ranges)
        while ends and ends[0][0] <= (first.source, first.offset):
            held -= heappop(ends)[1]
        if held + size > limits.HELD:
            yield Block(block.pieces, [])
            continue
        heappush(ends, (_finished(block), size))
        held += size
        yield block


def _finished(block: Block) -> tuple[int, int]:
    """Where in the pass over the old layers its dictionary is whole; those without one come first."""
    if not block.ranges:
        return (-1, block.pieces[0].start)
    last = block.ranges[-1]
    return last.source, last.offset + last.length


def tiles(rows: Iterable[Copy | Piece], blocks: Sequence[Block], sources: int) -> list[tuple[int, int, int]]:
    """Length, origin and offset of each, in the order of the new layer; what continues the one before is one with it."""
    block_of = {piece.start: number for number, block in enumerate(blocks) for piece in block.pieces}
    result = list[tuple[int, int, int]]()
    for row in rows:
        origin = row.place.source if isinstance(row, Copy) else sources + block_of[row.start]
        offset = row.place.offset if isinstance(row, Copy) else 0
        if result:
            length, before, start = result[-1]
            if before == origin and (origin >= sources or start + length == offset):
                result[-1] = (length + row.length, origin, start)
                continue
        result.append((row.length, origin, offset))
    return result
