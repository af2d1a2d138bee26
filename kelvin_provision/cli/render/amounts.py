"""Amounts and rates as text."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from kelvin_provision.quantity import format_bytes, format_duration, format_rate
from kelvin_provision.queries.retries import next_try

WIDE, NARROW = 100, 70
"""Columns from which bytes are shown, and from which the rate is."""
_WINDOW = 15.0
_STEP = 0.5


@dataclass
class Meter:
    """The progress of one task. Times are in seconds of any clock; the rate covers the last 15 seconds, so that a stall shows."""

    began: float
    total: int | None = None
    done: int = 0
    retry_at: float | None = None
    """When a task whose last attempt brought nothing is tried again; None from the next bytes on."""
    _samples: deque[tuple[float, int]] = field(default_factory=deque)

    def retry(self, delay: float, now: float) -> None:
        self.retry_at = now + delay
        self._samples.clear()

    def reach(self, done: int, total: int | None, now: float) -> None:
        """`done` counts from the start of the task, in earlier processes too. A known total stays known."""
        if done > self.done:
            self.retry_at = None
        self.done, self.total = done, total if total is not None else self.total
        if not self._samples or now - self._samples[-1][0] >= _STEP:
            self._samples.append((now, done))
        while len(self._samples) > 1 and now - self._samples[0][0] > _WINDOW:
            self._samples.popleft()

    def rate(self, now: float) -> float:
        """Bytes per second; 0 until there are two measurements."""
        if not self._samples:
            return 0.0
        since, had = self._samples[0]
        return max(self.done - had, 0) / (now - since) if now > since else 0.0

    def words(self, now: float, *, columns: int = WIDE) -> str:
        """`12.3 MiB of 36.0 MiB, 34%, 1.2 MiB/s, 20s left`; without a total and bytes, the time it took so far.

        On a terminal of fewer columns `34%, 1.2 MiB/s, 20s left`, and then `34%, 20s left`.
        """
        if self.retry_at is not None:
            return ", ".join([*self._amounts(columns), next_try(max(round(self.retry_at - now), 0))])
        if not self.total:
            return format_bytes(self.done) if self.done else format_duration(now - self.began)
        words = self._amounts(columns)
        rate = self.rate(now)
        if rate > 0:
            words += [format_rate(rate)] if columns >= NARROW else []
            words.append(f"{format_duration(max(self.total - self.done, 0) / rate)} left")
        return ", ".join(words)

    def _amounts(self, columns: int) -> list[str]:
        if not self.total:
            return []
        percent = f"{min(100 * self.done // self.total, 100)}%"
        return [f"{format_bytes(self.done)} of {format_bytes(self.total)}", percent] if columns >= WIDE else [percent]
