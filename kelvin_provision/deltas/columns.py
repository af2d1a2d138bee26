"""Columns of integers as bytes that zstd compresses well: first the lowest byte of every number, then the next ones, six in all."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence

WIDTH = 6


def packed(numbers: Sequence[int]) -> bytes:
    """Raises OverflowError for a negative number, or one of more than 64 bits."""
    data = _ordered(array("Q", numbers)).tobytes()
    return b"".join(data[plane::8] for plane in range(WIDTH))


def unpacked(data: memoryview, count: int) -> array[int]:
    """The inverse, of exactly `count * WIDTH` bytes."""
    whole = bytearray(8 * count)
    for plane in range(WIDTH):
        whole[plane::8] = data[plane * count : (plane + 1) * count]
    numbers = array("Q")
    numbers.frombytes(whole)
    return _ordered(numbers)


def _ordered(numbers: array[int]) -> array[int]:
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def folded(differences: Iterable[int]) -> list[int]:
    """Zigzag encoding: numbers near zero, of either sign, become small numbers without one."""
    return [value << 1 if value >= 0 else (-value << 1) - 1 for value in differences]


def unfolded(numbers: Iterable[int]) -> Iterator[int]:
    """The inverse, one by one: a list would take five times the memory of the column."""
    return (-(number + 1 >> 1) if number & 1 else number >> 1 for number in numbers)
