"""Spans of the local day: `22:00-05:00`, across midnight, several with commas. Pure: the time and its zone are given.

A window is what a wall clock shows, so it follows summer time by itself: an hour that a day does not have never opens it, one that
a day has twice opens it twice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Self

_SPAN = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9]) ?- ?([01][0-9]|2[0-4]):([0-5][0-9])")
_DAY = 24 * 60
_MINUTE = timedelta(minutes=1)
_AHEAD = 3 * _DAY
"""Minutes in which every window opens: a day may lack the hour of one, two days in a row never do."""


@dataclass(frozen=True)
class Window:
    """Spans in minutes from midnight, the end outside; an end before its beginning is on the next day."""

    spans: tuple[tuple[int, int], ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError, which says what is wrong with it."""
        return cls(tuple(_span(part.strip()) for part in text.split(",")))

    def __str__(self) -> str:
        return ",".join(f"{clock(begin)}-{clock(end)}" for begin, end in self.spans)

    def is_open(self, now: datetime, zone: tzinfo | None = None) -> bool:
        """Whether the wall clock of the zone (the box's own unless given) is inside."""
        here = now.astimezone(zone)
        return self.has(here.hour * 60 + here.minute)

    def has(self, minute: int) -> bool:
        """Whether this minute of a day is inside."""
        return any(begin <= minute < end if begin < end else minute >= begin or minute < end for begin, end in self.spans)

    def next_opening(self, now: datetime, zone: tzinfo | None = None) -> datetime:
        """Now, when it is open; else the first whole minute at which it is. Minute by minute, which is right on every day."""
        if self.is_open(now, zone):
            return now.astimezone(zone)
        at = now.astimezone(UTC).replace(second=0, microsecond=0)
        for _ in range(_AHEAD):
            at += _MINUTE
            if self.is_open(at, zone):
                break
        return at.astimezone(zone)

    def next_start(self, minute: int) -> int:
        """The minute of the day at which the next span begins, for words: `next_opening` knows the days that lack it."""
        return min((begin for begin, _ in self.spans), key=lambda begin: (begin - minute) % _DAY or _DAY)


def _span(text: str) -> tuple[int, int]:
    found = _SPAN.fullmatch(text)
    if found is None:
        raise ValueError("spans of the day like 22:00-05:00, several with commas")
    hours, minutes, until_hours, until_minutes = (int(part) for part in found.groups())
    begin, end = hours * 60 + minutes, until_hours * 60 + until_minutes
    if begin >= _DAY or end > _DAY:
        raise ValueError("times of the day from 00:00 to 24:00")
    if begin == end:
        raise ValueError(f"a window that opens: {text} begins when it ends (always is 00:00-24:00)")
    return begin, end


def clock(minute: int) -> str:
    """As a clock shows it: `05:00`."""
    return f"{minute // 60:02}:{minute % 60:02}"
