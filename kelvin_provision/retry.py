"""Retrying temporary errors: exponential back-off with jitter and a deadline."""

from __future__ import annotations

from collections.abc import Iterator

from kelvin_provision.fast_dataclass import dataclass


@dataclass(frozen=True)
class Backoff:
    """Delays in seconds: doubled from `first` to `cap`, with jitter, until they add up to `deadline`."""

    first: float = 0.5
    cap: float = 60.0
    deadline: float = 30.0

    def delays(self) -> Iterator[float]:
        """Each at least half of its step, so that no draw leads to a burst of attempts."""
        from random import random  # only where something is tried again

        spent, step = 0.0, self.first
        while spent < self.deadline:
            delay = step * (0.5 + random() / 2)  # noqa: S311  (no secret)
            yield delay
            spent += delay
            step = doubled(step, self.cap)


def doubled(delay: float, cap: float) -> float:
    """The next delay of a loop that never gives up, without jitter: a local service, or one client only."""
    return min(delay * 2, cap)


class Retries:
    """The delays between the attempts at one task. Call `reset` when an attempt made progress."""

    def __init__(self, backoff: Backoff) -> None:
        self._backoff = backoff
        self._delays = backoff.delays()

    def reset(self) -> None:
        self._delays = self._backoff.delays()

    def delay_after(self, error: Exception) -> float:
        """How long to wait before the next attempt; `retry_after` of the error counts when it is longer.

        Raises the error when it is not temporary, when the delays are used up, or when `retry_after` exceeds the deadline.
        """
        if not getattr(error, "temporary", False):
            raise error
        delay, retry_after = next(self._delays, None), getattr(error, "retry_after", 0.0) or 0.0
        if delay is None or retry_after > self._backoff.deadline:
            raise error
        return max(delay, retry_after)
