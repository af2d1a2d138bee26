"""The adaptive concurrency limit: as many transfers as make the download faster. Pure: bytes and times in, a number out.

There are two kinds of links, with a rule for each. On a fast one (a single connection reaches `FAST`) a few more cannot starve each
other, and measuring that would only cost time: the limit rises to its maximum at once. On a thin one they can, until each times out:
there every additional transfer must prove that it raises the rate, and a stall lowers the limit to one.
"""

from __future__ import annotations

from kelvin_provision.retry import doubled

FAST = 4 << 20
"""Bytes per second of one connection from which a link counts as fast: each of four still gets more than most uplinks have in total."""
PROOF = 1 << 20
"""Bytes that must be received before a link counts as fast: what a kernel had buffered says nothing about it."""
SETTLE = 1.0
"""Seconds after a change that are not measured: a new connection has to reach its rate."""
SPAN = 3.0
"""Seconds of one measurement on a thin link."""
GAIN = 1.15
"""The factor by which one more transfer must raise the rate to stay."""
FIRST_PAUSE, LONGEST_PAUSE = 30.0, 600.0
"""Seconds until one more is tried again after it brought nothing, or one stalled; doubled each time."""


class AdaptiveConcurrency:
    """`limit` is between 1 and `maximum`. Times are seconds of one clock; `total` is the number of all bytes received so far."""

    def __init__(self, maximum: int) -> None:
        self.limit = 1
        self._maximum = maximum
        self._fast = False
        self._measured: tuple[float, int] | None = None
        self._rate_before: float | None = None
        """The rate before the last raise, which is still on trial."""
        self._settled = self._not_before = float("-inf")
        self._pause = FIRST_PAUSE

    def start(self) -> None:
        """A download starts: the time since the last one is not measured. What was learned of the link stays."""
        self._measured = None

    def record_bytes(self, total: int, now: float) -> None:
        """Call with every chunk."""
        if self._measured is None or now < self._settled:
            self._measured = (now, total)
            return
        since, total_before = self._measured
        elapsed, received = now - since, total - total_before
        if not self._fast and received >= PROOF and received >= FAST * elapsed and now >= self._not_before:
            self._fast, self._rate_before = True, None
            self._change(self._maximum, now, settle=0.0)
        elif elapsed >= SPAN:
            self._adjust(received / elapsed, now)
            self._measured = (now, total)

    def _adjust(self, rate: float, now: float) -> None:
        if self._fast and rate < FAST / 2:
            # No longer the link that it was, or that its first megabyte suggested: start over.
            self._fast = False
            self._change(1, now)
        elif not self._fast and self._rate_before is not None and rate < self._rate_before * GAIN:
            self._back_off(self.limit - 1, now)
        elif not self._fast and self.limit < self._maximum and now >= self._not_before:
            self._rate_before = rate
            self._change(self.limit + 1, now)
        else:
            self._rate_before = None

    def record_stall(self, now: float) -> None:
        """A transfer got no byte until its time-out, or the registry was busy."""
        if self.limit > 1:
            self._fast = False
            self._back_off(1, now)

    def _back_off(self, limit: int, now: float) -> None:
        self._rate_before, self._not_before = None, now + self._pause
        self._pause = doubled(self._pause, LONGEST_PAUSE)
        self._change(limit, now)

    def _change(self, limit: int, now: float, settle: float = SETTLE) -> None:
        self.limit, self._settled = limit, now + settle
