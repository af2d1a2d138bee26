"""Bytes, rates and durations as people write and read them: one parser and one formatter for each. Pure.

CPU and memory of containers are Kubernetes quantities, not these.
"""

from __future__ import annotations

import re

from kelvin_provision.fast_dataclass import dataclass

_MAX_DIGITS = 18
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
MAX_DURATION = 366 * DAY
"""A longer timeout is a typing error, and overflows the timers of the operating system sooner or later."""

BYTES_FORM = "500k, 2M or 1.5G (powers of 1000), 512Ki or 2MiB (powers of 1024), or a number of bytes"
DURATION_FORM = "a duration such as 90, 30s, 5m or 2h"

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_BYTES = r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?(?:([kKMGT])(i?))?B?"
_POWERS = {"k": 1, "K": 1, "M": 2, "G": 3, "T": 4}
_PERCENT = r"([0-9]{1,2}(?:\.[0-9]+)?) ?%"
_SECONDS = r"[0-9]{1,12}(?:\.[0-9]{1,9})?"
_PART = r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h|d)"
_DURATION = rf"(?:{_PART})+"
_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": MINUTE, "h": HOUR, "d": DAY}


class InvalidQuantity(ValueError):
    """The text is not a quantity, or out of bounds. The message names the text and what is accepted."""

    def __init__(self, text: str, expected: str) -> None:
        self.expected = expected
        super().__init__(f"expected {expected}, got {text or 'nothing'}")


def parse_count(text: str) -> int | None:
    """A whole number in plain digits; None for anything else, also for digits that `int` does not take (`²`) and for thousands of them."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS else None


def parse_duration(text: str, *, minimum: float = 0.0, maximum: float = MAX_DURATION) -> float:
    """Seconds of `90`, `30s`, `5m`, `2h`, `1d`, `500ms`, `1h30m`. Raises InvalidQuantity."""
    text = text.strip()
    if re.fullmatch(_SECONDS, text):
        seconds = float(text)
    elif re.fullmatch(_DURATION, text):
        seconds = sum(float(number) * _UNIT_SECONDS[unit] for number, unit in re.findall(_PART, text))
    else:
        raise InvalidQuantity(text, DURATION_FORM)
    if seconds < minimum:
        raise InvalidQuantity(text, f"a duration of at least {format_duration(minimum)}")
    if seconds > maximum:
        raise InvalidQuantity(text, f"a duration of at most {format_duration(maximum)}")
    return seconds


def format_duration(seconds: float) -> str:
    """Whole seconds: `45s`, `3m20s`, `2h05m`, `366d`. Days only when nothing else is left over."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole % 86400 == 0:
        return f"{whole // 86400}d"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def parse_bytes(text: str, *, minimum: int = 0) -> int:
    """Bytes of `500k`, `2MiB`, `4096`. Raises InvalidQuantity, also for bits: `2Mbit` must not pass for eight times as much."""
    match = re.fullmatch(_BYTES, text.strip())
    count = _bytes(match) if match else -1
    if count < minimum:
        at_least = f" of at least {format_si(minimum)}" if minimum else ""
        raise InvalidQuantity(text, f"a size{at_least}, such as {BYTES_FORM}")
    return count


def _bytes(match: re.Match[str]) -> int:
    number, unit, binary = match.groups()
    return int(float(number) * (1024 if binary else 1000) ** _POWERS[unit]) if unit else int(float(number))


def parse_rate(text: str, *, minimum: int = 0) -> int:
    """Bytes a second, with or without `/s`: `500k`, `2MiB/s`. Raises InvalidQuantity."""
    return parse_bytes(text.strip().removesuffix("/s"), minimum=minimum)


def format_bytes(count: float) -> str:
    """Bytes in binary units: `512 B`, `36.0 MiB`."""
    power = 0
    while count >= 1024 and power < len(_UNITS) - 1:
        count, power = count / 1024, power + 1
    return f"{count:.1f} {_UNITS[power]}" if power else f"{count:.0f} B"


def format_rate(bytes_per_second: float) -> str:
    """`1.2 MiB/s`."""
    return f"{format_bytes(bytes_per_second)}/s"


def format_rounded(count: int, *, up: bool = False) -> str:
    """Two significant digits: `1.2 GiB`, `520 MiB`. Round what is free down and what is needed up: never "needs 5 GiB, 5 GiB free".

    Two digits, so that a message repeated every minute stays the same while the disk changes by a few bytes.
    """
    whole, power = max(count, 0), 0
    while whole >> 10 * (power + 1) and power < len(_UNITS) - 1:
        power += 1
    tenths = _divide(10 * whole, 1 << 10 * power, up=up)
    step = 1
    while tenths >= 100 * step:
        step *= 10
    tenths = _divide(tenths, step, up=up) * step
    if power == 0 or tenths >= 100:
        return f"{_divide(tenths, 10, up=up)} {_UNITS[power]}"
    return f"{tenths // 10}.{tenths % 10} {_UNITS[power]}"


def _divide(number: int, by: int, *, up: bool) -> int:
    return -(-number // by) if up else number // by


def format_si(count: int) -> str:
    """Decimal units, in which data plans are sold: `500 MB`, `1.5 GB`."""
    amount, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.1f}".removesuffix(".0") + f" {unit}"


@dataclass(frozen=True)
class Headroom:
    """Space on a filesystem that is kept free: a share of it, or a number of bytes."""

    percent: float = 0.0
    bytes: int = 0

    def of(self, total: int) -> int:
        """Bytes, on a filesystem of this size."""
        return self.bytes + int(total * self.percent / 100)

    @classmethod
    def parse(cls, text: str) -> Headroom:
        """`5%` or `2GiB`. Raises InvalidQuantity."""
        if share := re.fullmatch(_PERCENT, text.strip()):
            return cls(percent=float(share[1]))
        try:
            return cls(bytes=parse_bytes(text))
        except InvalidQuantity:
            raise InvalidQuantity(text, "a size such as 2GiB or 500MiB, or a share of the filesystem such as 5%") from None


NO_HEADROOM = Headroom()
