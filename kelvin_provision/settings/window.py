"""Times of day: `22:00-05:00`, also across midnight, several separated by commas. Pure: the time and its zone are given.

A window follows the local clock, so also daylight saving time: an hour that a day does not have never opens it, an hour that a day has
twice opens it twice.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Self

from kelvin_provision.fast_dataclass import dataclass

_SPAN = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9]) ?- ?([01][0-9]|2[0-4]):([0-5][0-9])")
_DAY = 24 * 60
_MINUTE = timedelta(minutes=1)
_HORIZON = 3 * _DAY
"""Minutes within which every window opens: one day may lack its hour, two days in a row never do."""


@dataclass(frozen=True)
class Window:
    """Spans in minutes since midnight, end excluded; an end before the start is on the next day."""

    spans: tuple[tuple[int, int], ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError with what is accepted."""
        return cls(tuple(_span(part.strip()) for part in text.split(",")))

    def __str__(self) -> str:
        return ",".join(f"{clock(begin)}-{clock(end)}" for begin, end in self.spans)

    def is_open(self, now: datetime, zone: tzinfo | None = None) -> bool:
        """In the given time zone, or the one of this box."""
        local = now.astimezone(zone)
        return self.has(local.hour * 60 + local.minute)

    def has(self, minute: int) -> bool:
        return any(begin <= minute < end if begin < end else minute >= begin or minute < end for begin, end in self.spans)

    def next_opening(self, now: datetime, zone: tzinfo | None = None) -> datetime:
        """`now` when it is open, otherwise the first minute at which it is. Minute by minute, which is correct on every day."""
        if self.is_open(now, zone):
            return now.astimezone(zone)
        at = now.astimezone(UTC).replace(second=0, microsecond=0)
        for _ in range(_HORIZON):
            at += _MINUTE
            if self.is_open(at, zone):
                break
        return at.astimezone(zone)

    def next_start(self, minute: int) -> int:
        """The minute of the day at which the next span begins, for messages: `next_opening` knows the days that do not have it."""
        return min((begin for begin, _ in self.spans), key=lambda begin: (begin - minute) % _DAY or _DAY)


def _span(text: str) -> tuple[int, int]:
    match = _SPAN.fullmatch(text)
    if match is None:
        raise ValueError("times of day such as 22:00-05:00, several separated by commas")
    hours, minutes, until_hours, until_minutes = (int(part) for part in match.groups())
    begin, end = hours * 60 + minutes, until_hours * 60 + until_minutes
    if begin >= _DAY or end > _DAY:
        raise ValueError("times of day from 00:00 to 24:00")
    if begin == end:
        raise ValueError("different start and end times in a span; for always, 00:00-24:00")
    return begin, end


def clock(minute: int) -> str:
    """`05:00`."""
    return f"{minute // 60:02}:{minute % 60:02}"
