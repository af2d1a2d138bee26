"""Bugs of ours, contained: each is logged once with its traceback, affects one thing only, and is retried after a growing pause."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

FIRST_PAUSE, LONGEST_PAUSE = 30.0, 1800.0
"""Seconds."""


@dataclass
class _Fault:
    text: str
    pause: float
    until: float


class Faults:
    """Unexpected errors, by what they affected. In memory only: a new version of the program retries at once."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._faults: dict[str, _Fault] = {}

    def backs_off(self, what: str) -> bool:
        """Whether it is too early to retry."""
        fault = self._faults.get(what)
        return fault is not None and self._clock() < fault.until

    def record(self, what: str, error: Exception) -> tuple[str, tuple[str, ...]]:
        """A sentence for people, and the lines of the traceback; no lines for a fault that was recorded before."""
        before = self._faults.get(what)
        text = f"our bug: {type(error).__name__}: {error}".rstrip(": ")
        pause = min(before.pause * 2, LONGEST_PAUSE) if before else FIRST_PAUSE
        self._faults[what] = _Fault(text, pause, self._clock() + pause)
        repeated = before is not None and before.text == text
        lines = "" if repeated else "".join(traceback.format_exception(error))
        return text, tuple(lines.splitlines())

    def clear(self, what: str) -> None:
        """It succeeded."""
        self._faults.pop(what, None)
