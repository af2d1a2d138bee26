"""How many transfers at a time: as many as help. Pure: bytes and times in, a number out.

Two truths about links, and a rule for each. On a fast one (a single connection brings `FAST`) a few more cannot starve each other, and
waiting to find that out is what costs time: all of them at once. On a thin one they can, down to the time-out of each: there one more
must show that it brings something, and one that stalls costs all but one.
"""

from __future__ import annotations

FAST = 4 << 20
"""Bytes a second of one connection from which a link is not thin: each of four still gets more than most uplinks have at all."""
PROOF = 1 << 20
"""Bytes that must have come before a link is called fast: what a kernel had buffered already says nothing."""
SETTLE = 1.0
"""Seconds after a change that are not measured: a new connection has to find its speed."""
SPAN = 3.0
"""Seconds of one measurement on a thin link."""
GAIN = 1.15
"""What one more must bring to stay."""
FIRST, LONGEST = 30.0, 600.0
"""Seconds until one more is tried again after it brought nothing or one stalled: doubled each time, up to the longest."""


class AdaptiveConcurrency:
    """From 1 to `most`. Times in seconds of one clock; `total` is all bytes that came so far."""

    def __init__(self, most: int) -> None:
        self.now = 1
        self._most = most
        self._fast = False
        self._measured: tuple[float, int] | None = None
        self._before: float | None = None
        self._settled = self._not_before = float("-inf")
        self._pause = FIRST

    def begin(self) -> None:
        """Transfers begin: the time since the last ones says nothing. What was learned stays."""
        self._measured = None

    def reached(self, total: int, now: float) -> None:
        """So many bytes came until now; to be told with every piece."""
        if self._measured is None or now < self._settled:
            self._measured = (now, total)
            return
        since, had = self._measured
        elapsed, came = now - since, total - had
        if not self._fast and came >= PROOF and came >= FAST * elapsed and now >= self._not_before:
            self._fast, self._before = True, None
            self._change(self._most, now, settle=0.0)
        elif elapsed >= SPAN:
            self._judge(came / elapsed, now)
            self._measured = (now, total)

    def _judge(self, rate: float, now: float) -> None:
        if self._fast and rate < FAST / 2:
            # Not the link that it was, or that its first megabyte made us believe: from the beginning.
            self._fast = False
            self._change(1, now)
        elif not self._fast and self._before is not None and rate < self._before * GAIN:
            self._back(self.now - 1, now)
        elif not self._fast and self.now < self._most and now >= self._not_before:
            self._before = rate
            self._change(self.now + 1, now)
        else:
            self._before = None

    def stalled(self, now: float) -> None:
        """One got no byte for too long, or was told to come later."""
        if self.now > 1:
            self._fast = False
            self._back(1, now)

    def _back(self, width: int, now: float) -> None:
        self._before, self._not_before = None, now + self._pause
        self._pause = min(self._pause * 2, LONGEST)
        self._change(width, now)

    def _change(self, width: int, now: float, settle: float = SETTLE) -> None:
        self.now, self._settled = width, now + settle
