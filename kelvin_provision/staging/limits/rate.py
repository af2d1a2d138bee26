"""The rate limit, in bytes per second over all transfers together: a token bucket."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

BURST = 0.25
"""Seconds of the rate that may be caught up: what a busy machine slept too long is not lost, and ten seconds are still exact to 3 %."""


class TokenBucket:
    """Tokens are added over time. A transfer may take more than there are, and waits until the debt is paid.

    Transfers pay for a chunk after it was received, and chunks are small beside the rate (`registry.response.read_size`), so none waits
    longer than one chunk of each other transfer takes.
    """

    def __init__(self, rate: int, now: float) -> None:
        self._rate = rate
        self._tokens, self._updated = 0.0, now

    def take(self, count: int, now: float) -> float:
        """Seconds to wait after receiving `count` bytes. A clock that goes backwards adds and removes nothing."""
        tokens = self._tokens + max(now - self._updated, 0.0) * self._rate
        self._tokens, self._updated = min(tokens, BURST * self._rate) - count, now
        return max(-self._tokens / self._rate, 0.0)


class RateLimit:
    """One bucket for all transfers of a process; without a rate, no limit. Safe for several threads."""

    def __init__(self, rate: int | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._bucket = TokenBucket(rate, clock()) if rate else None

    def delay_after(self, count: int) -> float:
        """Seconds to wait after receiving `count` bytes."""
        if self._bucket is None:
            return 0.0
        with self._lock:
            return self._bucket.take(count, self._clock())
