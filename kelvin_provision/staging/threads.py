"""Worker threads that end with the first error, or when they are told to stop, even in the middle of a read."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from kelvin_provision.errors import TransferStopped

T = TypeVar("T")
TICK = 0.1
SIDE_BY_SIDE = 32
"""Workloads that are stopped or removed at a time."""
POLLS = (0.0005, 0.01)
"""Seconds between two looks at the threads, at first and at most: a small image takes a few milliseconds."""
GRACE = 0.5
"""Seconds that workers get to end by themselves after a stop; one that still waits for a silent server is abandoned."""
HUNG = 600.0
"""Seconds after which workers that do not even ask whether to stop count as hung. The thread that waits for them stops asking then,
too: asking is the heartbeat that the watchdog sees.
"""


class StopCheck:
    """`stop`, as the workers ask it. Remembers when they last asked, so that hung workers are noticed."""

    def __init__(self, stop: Callable[[], bool], *, hung_after: float = HUNG) -> None:
        self._stop = stop
        self._hung_after = hung_after
        self._last_asked = time.monotonic()

    def __call__(self) -> bool:
        """For the workers."""
        self._last_asked = time.monotonic()
        return self._stop()

    def while_alive(self) -> bool:
        """For the thread that waits for the workers: asks `stop` only while they are alive."""
        return time.monotonic() - self._last_asked < self._hung_after and self._stop()


def run_threads(threads: Sequence[threading.Thread], errors: list[BaseException], stop: StopCheck) -> None:
    """Start all and wait until they end. They watch `errors`, and end once there is one; a stop adds one.

    Raises TransferStopped. The threads must be daemons: one that is abandoned after a stop holds its own file and socket only, ends
    at its next byte, and does not keep the process from ending.
    """
    try:
        for thread in threads:
            thread.start()
        while _alive_after(threads, TICK):
            if stop.while_alive():
                raise TransferStopped("stopped; what was downloaded is kept")  # noqa: TRY301  (handled like every other error)
    except BaseException as error:
        # Includes a signal in this thread, after which the workers would be orphaned.
        errors.append(error)
        deadline = time.monotonic() + GRACE
        while _alive_after(threads, TICK) and time.monotonic() < deadline:
            pass
        raise


def _alive_after(threads: Sequence[threading.Thread], seconds: float) -> bool:
    """Wait until all have ended, for `seconds` at most; whether one is still alive.

    Not by `join`: before Python 3.13, a `join` that a signal interrupts takes a running thread for an ended one.
    """
    deadline = time.monotonic() + seconds
    pause, longest = POLLS
    while any(thread.is_alive() for thread in threads):
        if time.monotonic() >= deadline:
            return True
        time.sleep(pause)
        pause = min(2 * pause, longest)
    return False


def run_abandonable(call: Callable[[], T], stop: Callable[[], bool]) -> T:
    """What the call returns or raises. Raises TransferStopped once `stop` is true, and abandons the call in its thread.

    Only for a call without side effects: it may go on for as long as a silent server is waited for.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(call())
        except BaseException as error:  # noqa: BLE001  (carried to the caller's thread)
            errors.append(error)

    run_threads([threading.Thread(target=work, name="abandonable", daemon=True)], errors, StopCheck(stop))
    if errors:
        raise errors[0]
    return results[0]


def side_by_side(work: Callable[[str], T], names: Sequence[str], *, limit: int) -> dict[str, T | BaseException]:
    """What `work` returns or raises for each name, at most `limit` at a time; it is waited for to the end. One name takes no thread."""
    results: dict[str, T | BaseException] = {}
    left = iter(names)
    taking = threading.Lock()

    def worker() -> None:
        while True:
            with taking:
                name = next(left, None)
            if name is None:
                return
            try:
                results[name] = work(name)
            except BaseException as error:  # noqa: BLE001  (for the caller to judge)
                results[name] = error

    count = min(limit, len(names)) if len(names) > 1 else 0
    threads = [threading.Thread(target=worker, name=f"worker-{number}", daemon=True) for number in range(count)]
    for thread in threads:
        with suppress(RuntimeError):  # this box has no more threads: those that there are do all the work
            thread.start()
    if not any(thread.ident for thread in threads):
        worker()
    while _alive_after(threads, TICK):
        pass
    return results


def sleep_unless_stopped(seconds: float, stop: Callable[[], bool]) -> None:
    """Raises TransferStopped within a tenth of a second of `stop`."""
    deadline = time.monotonic() + seconds
    while (remaining := deadline - time.monotonic()) > 0:
        if stop():
            raise TransferStopped("stopped while waiting; what was downloaded is kept")
        time.sleep(min(TICK, remaining))
