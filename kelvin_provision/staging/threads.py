"""Threads that end when they should: with the first error, or when nobody wants them any more, even in the middle of a read."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from kelvin_provision.errors import TransferStopped

T = TypeVar("T")
TICK = 0.1
PAUSE = 0.01
GRACE = 0.5
"""Seconds that workers get to end by themselves once it is to stop; who waits for a silent server then is left behind."""
SILENT = 600.0
"""Seconds after which workers that do not even ask whether to stop count as hung. Who waits for them is silent then, too: asking
is how others know that we live.
"""


class Asked:
    """A question that workers ask, and that knows when they asked last."""

    def __init__(self, stop: Callable[[], bool]) -> None:
        self._stop = stop
        self._last = time.monotonic()

    def __call__(self) -> bool:
        """For workers."""
        self._last = time.monotonic()
        return self._stop()

    def for_them(self) -> bool:
        """For who waits for the workers: asked only while they live."""
        return time.monotonic() - self._last < SILENT and self._stop()


def run(threads: Sequence[threading.Thread], errors: list[BaseException], asked: Asked) -> None:
    """Start all and wait for their ends; they watch `errors` and end when there is one. Once it is to stop, there is one.

    The threads are daemons: who is left behind after a stop holds its own file and socket only, ends at its next byte, and keeps no
    process from ending.
    """
    try:
        for thread in threads:
            thread.start()
        while _working(threads, TICK):
            if asked.for_them():
                raise TransferStopped("stopped; what was downloaded is kept")  # noqa: TRY301  (ended as by any other error)
    except BaseException as error:
        # Also a signal in this thread: nobody would wait for them.
        errors.append(error)
        deadline = time.monotonic() + GRACE
        while _working(threads, TICK) and time.monotonic() < deadline:
            pass
        raise


def _working(threads: Sequence[threading.Thread], seconds: float) -> bool:
    """Whether anyone still works, after so many seconds at the most.

    Not by `join`: before Python 3.13, one that a signal interrupts takes a running thread for a stopped one.
    """
    deadline = time.monotonic() + seconds
    while any(thread.is_alive() for thread in threads):
        if time.monotonic() >= deadline:
            return True
        time.sleep(PAUSE)
    return False


def aside(call: Callable[[], T], stop: Callable[[], bool]) -> T:
    """What the call returns or raises; raises TransferStopped once `stop` is true, and leaves the call behind.

    Only for a call that changes nothing: it may go on for as long as a silent server is waited for.
    """
    answers: list[T] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            answers.append(call())
        except BaseException as error:  # noqa: BLE001  (carried to the caller's thread)
            errors.append(error)

    run([threading.Thread(target=work, name="aside", daemon=True)], errors, Asked(stop))
    if errors:
        raise errors[0]
    return answers[0]
