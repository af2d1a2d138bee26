"""Trying again what calls itself temporary, inside a deadline, on a clock that a test can hold."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Backoff:
    """Delays in seconds: doubling from `first` to `cap` with full jitter, until they add up to `deadline`."""

    first: float = 0.5
    cap: float = 60.0
    deadline: float = 30.0

    def delays(self, chance: Callable[[], float] = random.random) -> Iterator[float]:
        """At least half of each step, so that a lucky draw never hammers."""
        spent, step = 0.0, self.first
        while spent < self.deadline:
            delay = step * (0.5 + chance() / 2)
            yield delay
            spent += delay
            step = min(step * 2, self.cap)


def retry(call: Callable[[], T], backoff: Backoff, *, sleep: Callable[[float], object] = time.sleep) -> T:
    """Try again while the error calls itself temporary; then raise the last one, unwrapped.

    An error may carry `retry_after` in seconds, which is obeyed when it is longer than the delay.
    """
    for delay in backoff.delays():
        try:
            return call()
        except Exception as error:
            if not getattr(error, "temporary", False):
                raise
            sleep(max(delay, getattr(error, "retry_after", 0.0) or 0.0))
    return call()
