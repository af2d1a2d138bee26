"""The one way in which tests wait for something that another process or thread does."""

import time
from collections.abc import Callable
from typing import TypeVar

import pytest

Answer = TypeVar("Answer")


def until(question: Callable[[], Answer], seconds: float = 60.0, *, pause: float = 0.02, why: Callable[[], str] | None = None) -> Answer:
    """Ask until the answer is true, and return it; after so many seconds the test fails, with what `why` returns then."""
    deadline = time.monotonic() + seconds
    while not (answer := question()):
        if time.monotonic() > deadline:
            pytest.fail(why() if why else f"it did not happen within {seconds:g} s")
        time.sleep(pause)
    return answer
