"""Bugs of ours, contained: each is told once with its traceback, hits one thing only, and is tried again after a growing pause."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from kelvin_provision.retry import doubled

FIRST, MOST = 30.0, 1800.0
"""Seconds of the first pause, and of the longest."""


@dataclass
class _Fault:
    text: str
    pause: float
    until: float


class Faults:
    """What went wrong unexpectedly, by what it hit. Lives as long as the agent: a new version tries at once."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[str, _Fault] = {}

    def resting(self, what: str) -> bool:
        """Whether it is too early to try again."""
        fault = self._known.get(what)
        return fault is not None and self._clock() < fault.until

    def add(self, what: str, error: Exception) -> tuple[str, tuple[str, ...]]:
        """One sentence for people, and the lines of the traceback; none when this very fault was told before."""
        before = self._known.get(what)
        text = f"our bug: {type(error).__name__}: {error}".rstrip(": ")
        pause = doubled(before.pause, MOST) if before else FIRST
        self._known[what] = _Fault(text, pause, self._clock() + pause)
        told = before is not None and before.text == text
        lines = "" if told else "".join(traceback.format_exception(error))
        return text, tuple(lines.splitlines())

    def healed(self, what: str) -> None:
        """It went well."""
        self._known.pop(what, None)
