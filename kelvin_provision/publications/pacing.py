"""When a publication is asked for again. Pure: what is random comes in.

Ten thousand boxes that lost their registry, or their power, at the same moment must not come back at the same moment.
"""

from __future__ import annotations

from collections.abc import Callable

LONGEST = 8
"""Times the interval that a pause after failures grows to."""

DAY = 86_400.0
"""Seconds after which a box reports although nothing has changed: that it is there."""

Random = Callable[[], float]
"""From 0 to 1, as `random.random`."""


def pause(interval: float, random: Random, *, failures: int = 0, retry_after: float = 0.0) -> float:
    """Seconds to the next look: the interval give or take a half, twice as long after each further failure in a row.

    A registry that says how long to wait says it to all boxes: they come back within an interval after that.
    """
    usual = interval * min(1 << max(min(failures, 16) - 1, 0), LONGEST) * (0.5 + random())
    return max(usual, retry_after + interval * random()) if retry_after > 0 else usual


def reported_within(interval: float) -> int:
    """Seconds in which a box that is well reports again: pauses are up to one and a half intervals long."""
    return int(DAY + 2 * interval)


def first_pause(interval: float, random: Random, *, ago: float | None) -> float:
    """After a start. `ago` are the seconds since the last look, by a clock that may be wrong; None for a publication that is new here.

    What was looked at a moment ago is not due; what is due is looked at within an interval.
    """
    left = interval - ago if ago is not None and 0 <= ago < interval else 0.0
    return left + (interval - left) * random()
