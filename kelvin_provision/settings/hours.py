"""Hours of the day: `22:00-05:00, 12:00-13:00`. Pure: what the clock on the wall says decides, and nothing is remembered.

So a change of the clock needs no care. An hour that a day lacks or has twice in a change to or from summer time is not opened, or twice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

FORM = "hours like 22:00-05:00, several with a comma between"
DAY = 24 * 60
_SPAN = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9]) ?- ?([01][0-9]|2[0-3]|24(?=:00)):([0-5][0-9])")


@dataclass(frozen=True)
class Hours:
    """`spans` in minutes of the day, from the first to before the second; across midnight when the second is less."""

    spans: tuple[tuple[int, int], ...]

    def open(self, minute: int) -> bool:
        """Whether this minute of the day is in one of them."""
        return any(start <= minute < end if start < end else minute >= start or minute < end for start, end in self.spans)

    def opens(self, minute: int) -> int:
        """The minute of the day at which the next of them begins."""
        return min((start for start, _ in self.spans), key=lambda start: (start - minute) % DAY or DAY)


def parse(text: str) -> Hours | None:
    """The hours, or None for what are none. One that ends where it begins is none: it could mean all day or never."""
    found = [_SPAN.fullmatch(part.strip()) for part in text.split(",")]
    spans = [(int(one[1]) * 60 + int(one[2]), (int(one[3]) * 60 + int(one[4])) % DAY) for one in found if one]
    if len(spans) < len(found) or any(start == end for start, end in spans):
        return None
    return Hours(tuple(spans))


def clock(minute: int) -> str:
    """As a clock shows it: `05:00`."""
    return f"{minute // 60:02d}:{minute % 60:02d}"
