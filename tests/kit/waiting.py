"""The one way in which tests wait for something that another process or thread does."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

import pytest

Answer = TypeVar("Answer")
PATIENCE = 60.0
"""Seconds for what must happen: on a machine that does other things it comes late. Who tests that a wait ends has a bound of its own."""


def until(
    question: Callable[[], Answer], seconds: float = PATIENCE, *, pause: float = 0.02, why: Callable[[], str] | None = None
) -> Answer:
    """Ask until the answer is true, and return it; after so many seconds the test fails, with what `why` returns then."""
    deadline = time.monotonic() + seconds
    while not (answer := question()):
        if time.monotonic() > deadline:
            pytest.fail(why() if why else f"it did not happen within {seconds:g} s")
        time.sleep(pause)
    return answer


def ended(thread: threading.Thread, seconds: float = PATIENCE) -> None:
    """Join it; one that goes on after so many seconds fails the test."""
    thread.join(seconds)
    if thread.is_alive():
        pytest.fail(f"{thread.name} has not ended within {seconds:g} s")
