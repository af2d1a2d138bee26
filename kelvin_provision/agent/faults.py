"""Retries after growing pauses, for two kinds of failures: bugs of this program, and problems of the box.

A bug is logged once with its traceback and affects one thing only.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable

FIRST_PAUSE, LONGEST_PAUSE = 30.0, 1800.0
"""Seconds, after a bug."""
LONGEST_BOX_PAUSE = 600.0
"""Seconds, after a problem of the box, which a person may be fixing. The first pause is that between two turns."""


class Pauses:
    """Pauses in seconds, by what failed. In memory only: a new agent tries at once. Each pause is twice the last one, up to `longest`."""

    def __init__(self, first: float, longest: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._first, self._longest = first, longest
        self._clock = clock
        self._pauses: dict[str, tuple[float, float]] = {}

    def backs_off(self, what: str) -> bool:
        """Whether it is too early to retry."""
        pause = self._pauses.get(what)
        return pause is not None and self._clock() < pause[1]

    def begin(self, what: str) -> None:
        """It failed, again or for the first time."""
        before = self._pauses.get(what)
        length = min(before[0] * 2, self._longest) if before else self._first
        self._pauses[what] = (length, self._clock() + length)

    def clear(self, what: str) -> None:
        """It succeeded, or failed for another reason."""
        self._pauses.pop(what, None)


class Faults(Pauses):
    """Unexpected errors, by what they affected."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(FIRST_PAUSE, LONGEST_PAUSE, clock)
        self._texts: dict[str, str] = {}

    def record(self, what: str, error: Exception) -> tuple[str, tuple[str, ...]]:
        """A sentence for people, and the lines of the traceback; no lines for a fault that was recorded before."""
        text = f"our bug: {type(error).__name__}: {error}".rstrip(": ")
        self.begin(what)
        repeated = self._texts.get(what) == text
        self._texts[what] = text
        lines = "" if repeated else "".join(traceback.format_exception(error))
        return text, tuple(lines.splitlines())

    def clear(self, what: str) -> None:
        super().clear(what)
        self._texts.pop(what, None)
