"""Amounts of bytes as people write them. Pure."""

from __future__ import annotations

import re

FORM = "500k, 2M, 1.5G (1000s), 500Ki or 2MiB (1024s), or a number of bytes"
_AMOUNT = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?(?:([kKMGT])(i?))?B?")
_POWERS = {"k": 1, "K": 1, "M": 2, "G": 3, "T": 4}


def parse(text: str) -> int | None:
    """Whole bytes, or None for what is no amount. A unit of bits is none: `2Mbit` must not pass for eight times as much."""
    found = _AMOUNT.fullmatch(text)
    if found is None:
        return None
    number, unit, binary = found.groups()
    return int(float(number) * (1024 if binary else 1000) ** _POWERS[unit]) if unit else int(float(number))


def words(count: int) -> str:
    """As data plans are sold: `500 MB`, `1.5 GB`."""
    amount, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.1f}".removesuffix(".0") + f" {unit}"
