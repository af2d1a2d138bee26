"""A cap in bytes a second over all transfers together: arithmetic on a clock that a test can hold."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

BURST = 0.25
"""Seconds of the rate that may be made up for at once: what a busy machine slept too long is not lost, and ten seconds stay true to 3 %."""


class Bucket:
    """Tokens that grow with time. More may be taken than are there: who does waits until the debt is paid.

    Transfers pay after the fact for what came, in pieces that are small beside the rate (`registry.wire.piece`), so that none waits
    for longer than it takes to pay one piece of each: a slow one gets its share as soon as it has something.
    """

    def __init__(self, rate: int, now: float) -> None:
        self._rate = rate
        self._tokens, self._at = 0.0, now

    def take(self, count: int, now: float) -> float:
        """Seconds to wait after so many bytes. A clock that went backwards gives nothing and takes nothing."""
        grown = self._tokens + max(now - self._at, 0.0) * self._rate
        self._tokens, self._at = min(grown, BURST * self._rate) - count, now
        return max(-self._tokens / self._rate, 0.0)


class RateLimit:
    """One bucket for all transfers of a process; without a rate, none. Safe for several threads."""

    def __init__(self, rate: int | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._bucket = Bucket(rate, clock()) if rate else None

    def took(self, count: int) -> float:
        """Seconds to wait, after so many bytes came."""
        if self._bucket is None:
            return 0.0
        with self._lock:
            return self._bucket.take(count, self._clock())
