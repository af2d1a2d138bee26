"""Points in time as text: RFC 3339, written in UTC with a `Z`, so that times of the same precision compare as text."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Literal

_RFC3339 = r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)"
_UTC = r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z"
FIRST_RELEASE = datetime(2026, 11, 1, tzinfo=UTC)
"""Of this program: a clock that says an earlier time is wrong."""
_NORMALIZED_LENGTH = len("2026-01-02T03:04:05.000000000Z")


def now() -> datetime:
    return datetime.now(UTC)


def rfc3339(moment: datetime, timespec: Literal["auto", "seconds", "microseconds"] = "seconds") -> str:
    return moment.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


def rfc3339_now(timespec: Literal["seconds", "microseconds"] = "seconds") -> str:
    return rfc3339(now(), timespec)


def rfc3339_of_epoch(seconds: float) -> str:
    """Empty for a time that no calendar has: file systems can store one."""
    try:
        return rfc3339(datetime.fromtimestamp(int(seconds), UTC))
    except (ValueError, OverflowError, OSError):
        return ""


def parse(text: str) -> datetime:
    """Raises ValueError. Nanoseconds are cut to microseconds."""
    return datetime.fromisoformat(text)


def local(text: str, timespec: Literal["minutes", "seconds"] = "seconds") -> str:
    """An RFC 3339 time as people read it, the same everywhere: on the box's clock, with its offset: `2026-11-28 02:00:00+01:00`."""
    return of_clock(parse(text), timespec)


def of_clock(moment: datetime, timespec: Literal["minutes", "seconds"] = "minutes") -> str:
    """`2026-11-28 02:00+01:00`; in UTC at the ends of the calendar, which the box's zone may be beyond."""
    try:
        there = moment.astimezone()
    except OverflowError:
        there = moment.astimezone(UTC)
    return there.isoformat(sep=" ", timespec=timespec)


def local_minute(text: str) -> str:
    return local(text, "minutes")


def with_local_times(text: str) -> str:
    """A text with its times in UTC as people read them. For texts of our own, not for what others wrote.

    Such a text may quote what only looks like a time, and that stays as it is.
    """
    return re.sub(_UTC, lambda match: _local_or_same(match[0]), text)


def _local_or_same(text: str) -> str:
    try:
        return local(text)
    except ValueError:
        return text


def normalized(text: str) -> str:
    """The same time in UTC with nine digits after the point; such times compare as text. Raises ValueError."""
    match = re.fullmatch(_RFC3339, text)
    if match is None:
        raise ValueError(text)
    seconds, fraction, offset = match.groups(default="")
    if offset == "Z" and len(text) == _NORMALIZED_LENGTH:
        return text  # most log lines have this form already; a month 13 in it is the cluster's error
    moment = datetime.fromisoformat(seconds + offset.replace("Z", "+00:00")).astimezone(UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{fraction.ljust(9, '0')}Z"
