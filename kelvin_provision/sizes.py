"""Amounts of bytes as people read and write them, and how much room is left alone. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_WRITTEN = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(B|[KMGT]i?B?)")
_PERCENT = re.compile(r"([0-9]{1,2}(?:\.[0-9]+)?) ?%")


def size(count: float) -> str:
    """Bytes in binary units: `512 B`, `36.0 MiB`."""
    at = 0
    while count >= 1024 and at < len(_UNITS) - 1:
        count, at = count / 1024, at + 1
    return f"{count:.1f} {_UNITS[at]}" if at else f"{count:.0f} B"


def about(count: int, *, up: bool = False) -> str:
    """Two digits that say something: `1.2 GiB`, `520 MiB`. Rounded down, or up: what is free is never told as enough for what is needed.

    What is told again and again does not change with every byte that somebody writes.
    """
    whole, at = max(count, 0), 0
    while whole >> 10 * (at + 1) and at < len(_UNITS) - 1:
        at += 1
    tenths = _divided(10 * whole, 1 << 10 * at, up=up)
    step = 1
    while tenths >= 100 * step:
        step *= 10
    tenths = _divided(tenths, step, up=up) * step
    if at == 0 or tenths >= 100:
        return f"{_divided(tenths, 10, up=up)} {_UNITS[at]}"
    return f"{tenths // 10}.{tenths % 10} {_UNITS[at]}"


def _divided(number: int, by: int, *, up: bool) -> int:
    return -(-number // by) if up else number // by


def parse(text: str) -> int | None:
    """Bytes of `500MiB`, `2G` or `512 B`; every unit is a binary one. None for anything else."""
    found = _WRITTEN.fullmatch(text.strip())
    return int(float(found[1]) * 1024 ** "BKMGT".index(found[2][0])) if found else None


@dataclass(frozen=True)
class Headroom:
    """Room on a filesystem that we leave alone: a share of it, or so many bytes."""

    percent: float = 0.0
    bytes: int = 0

    def of(self, total: int) -> int:
        """Bytes, on a filesystem of this size."""
        return self.bytes + int(total * self.percent / 100)

    @classmethod
    def parse(cls, text: str) -> Headroom | None:
        """`5%` or `2GiB`; None for anything else."""
        if share := _PERCENT.fullmatch(text.strip()):
            return cls(percent=float(share[1]))
        count = parse(text)
        return None if count is None else cls(bytes=count)


NO_HEADROOM = Headroom()
