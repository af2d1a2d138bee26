"""Which bytes of a new layer are where in the old ones: copies, and pieces that resemble something."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import NamedTuple

from kelvin_provision.deltas import limits
from kelvin_provision.deltas.making.members import Layer, Member

LARGE = 1 << 20
"""Content of more bytes has blocks of its own."""
_FACTOR = 10
"""A file of the same name elsewhere is no relative if it is so many times larger or smaller."""


class Place(NamedTuple):
    """A range of a source."""

    source: int
    offset: int
    length: int


class Copy(NamedTuple):
    start: int
    length: int
    place: Place


class Piece(NamedTuple):
    """Bytes that go into a block; `like`: what they resemble, None if nothing. `alone`: the block has nothing else."""

    start: int
    length: int
    like: Place | None
    alone: bool = False


class _Index:
    """The members of all old layers by content, path, and last name; the first layer that has one counts."""

    def __init__(self, olds: Sequence[Layer]) -> None:
        self.olds = olds
        self._paths: dict[bytes, tuple[int, Member]] = {}
        self._contents: dict[bytes, tuple[int, Member]] = {}
        self._names: dict[bytes, list[tuple[int, int, Member]]] = {}
        for number, layer in enumerate(olds):
            for member in layer.members:
                self._paths.setdefault(member.name, (number, member))
                if member.digest:
                    self._contents.setdefault(member.digest, (number, member))
                    self._names.setdefault(_last(member.name), []).append((member.end - member.data, number, member))
        for others in self._names.values():
            others.sort(key=itemgetter(0))

    def of_path(self, member: Member) -> tuple[int, Member] | None:
        return self._paths.get(member.name)

    def of_content(self, member: Member) -> tuple[int, Member] | None:
        """The one of the same path first: its header is alike, too."""
        same = self._paths.get(member.name)
        return same if same and same[1].digest == member.digest else self._contents.get(member.digest)

    def relative(self, member: Member) -> tuple[int, Member] | None:
        """What changed content was most probably made from."""
        size = member.end - member.data
        same = self._paths.get(member.name)
        if same and same[1].digest:
            return same
        others = self._names.get(_last(member.name), [])  # there may be ten thousands of one name, such as index.js
        at = bisect_left(others, size, key=itemgetter(0))
        nearest = min(others[max(at - 1, 0) : at + 1], key=lambda other: abs(other[0] - size), default=None)
        return nearest[1:] if nearest and _similar(nearest[0], size) else None


def _similar(size: int, other: int) -> bool:
    return size <= other * _FACTOR and other <= size * _FACTOR


def _last(name: bytes) -> bytes:
    return name.rpartition(b"/")[2]


def matched(olds: Sequence[Layer], new: Layer, stop: Callable[[], None]) -> Iterator[Copy | Piece]:
    """All bytes of the new layer, in order."""
    index, at = _Index(olds), 0
    for member in new.members:
        stop()
        yield from _of_member(index, new, member)
        at = member.end
    if at < new.size:
        yield from _cut(at, new.size, None)


def _of_member(index: _Index, new: Layer, member: Member) -> Iterator[Copy | Piece]:
    before = index.of_path(member) or (index.of_content(member) if member.digest else None)
    header = member.data - member.start
    old_header = Place(before[0], before[1].start, before[1].data - before[1].start) if before and header else None
    if old_header and old_header.length == header and _same(index, old_header, new.bytes(member.start, header)):
        yield Copy(member.start, header, old_header)
    elif header:
        yield Piece(member.start, header, old_header)
    size = member.end - member.data
    if not size:
        return
    if same := index.of_content(member):
        yield Copy(member.data, size, Place(same[0], same[1].data, size))
        return
    relative = index.relative(member)
    yield from _cut(member.data, member.end, Place(relative[0], relative[1].data, relative[1].end - relative[1].data) if relative else None)


def _same(index: _Index, place: Place, data: bytes) -> bool:
    return index.olds[place.source].bytes(place.offset, place.length) == data


def _cut(start: int, end: int, like: Place | None) -> Iterator[Piece]:
    """Content in pieces of at most a block, each with the part of the old content around the same place."""
    size, at = end - start, start
    alone = size > LARGE or (like is not None and like.length > LARGE)
    while at < end:
        length = min(limits.BLOCK, end - at)
        yield Piece(at, length, like and _around(like, (at - start + length // 2) / size, like.length / size), alone)
        at += length


def _around(like: Place, share: float, ratio: float) -> Place:
    """At most a dictionary of it around that share of its length; less of a shorter file, where they follow each other more closely."""
    length = min(like.length, limits.DICTIONARY, max(int(limits.DICTIONARY * ratio), LARGE))
    offset = min(max(int(like.length * share) - length // 2, 0), like.length - length)
    return Place(like.source, like.offset + offset, length)
