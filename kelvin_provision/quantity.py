"""Amounts of bytes and seconds as people read and write them, and how much room is left alone. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
FORM = "500k, 2M, 1.5G (1000s), 500Ki or 2MiB (1024s), or a number of bytes"
_AMOUNT = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?(?:([kKMGT])(i?))?B?")
_POWERS = {"k": 1, "K": 1, "M": 2, "G": 3, "T": 4}
_PERCENT = re.compile(r"([0-9]{1,2}(?:\.[0-9]+)?) ?%")


def size(count: float) -> str:
    """Bytes in binary units: `512 B`, `36.0 MiB`."""
    at = 0
    while count >= 1024 and at < len(_UNITS) - 1:
        count, at = count / 1024, at + 1
    return f"{count:.1f} {_UNITS[at]}" if at else f"{count:.0f} B"


def duration(seconds: float) -> str:
    """Whole seconds: `45s`, `3m20s`, `2h05m`."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


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


def format_si(count: int) -> str:
    """As data plans are sold, in decimal units: `500 MB`, `1.5 GB`."""
    amount, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.1f}".removesuffix(".0") + f" {unit}"


def parse(text: str) -> int | None:
    """Whole bytes of what is written as in FORM, or None. A unit of bits is none: `2Mbit` must not pass for eight times as much."""
    found = _AMOUNT.fullmatch(text.strip())
    if found is None:
        return None
    number, unit, binary = found.groups()
    return int(float(number) * (1024 if binary else 1000) ** _POWERS[unit]) if unit else int(float(number))


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
