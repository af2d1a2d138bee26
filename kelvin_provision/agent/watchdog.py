"""Heartbeats of the agent's workers, so that systemd restarts an agent that hangs.

A worker beats whenever it checks whether to stop, which every loop, every chunk and every wait for a registry does: a transfer that
stalls and is retried is alive. An import cannot check, and gets an hour. No timer beats for a worker.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from kelvin_provision.events import Event, Finished, Progress, Started
from kelvin_provision.systemd.notify import beat_every, notify

HEARTBEAT_TIMEOUT = 600.0
"""Seconds: the longest that one call to a registry, cluster or runtime may take with all its retries."""
IMPORT_TIMEOUT = 3600.0
"""Seconds for an import and the sync after it: a large image on an SD card."""
_SLOW_VERBS = frozenset({"importing"})
_SLOW_AFTER = frozenset({"imported"})


class Watchdog:
    """The time until which each worker may be silent. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}

    def beat(self, worker: str, seconds: float = HEARTBEAT_TIMEOUT) -> None:
        """The worker is alive, and may be silent for this long."""
        self._until[worker] = self._clock() + seconds

    def remove(self, worker: str) -> None:
        """The worker has ended: its silence means nothing."""
        self._until.pop(worker, None)

    def hung(self) -> tuple[str, ...]:
        now = self._clock()
        return tuple(worker for worker, until in list(self._until.items()) if until < now)

    def wrap_stop(self, worker: str, stop: Callable[[], bool]) -> Callable[[], bool]:
        """`stop`, with a heartbeat at every call."""

        def beating() -> bool:
            self.beat(worker)
            return stop()

        return beating

    def wrap_progress(self, worker: str, progress: Progress) -> Progress:
        """`progress`, with a heartbeat at every event."""

        def beating(event: Event) -> None:
            slow = (isinstance(event, Started) and event.verb in _SLOW_VERBS) or (
                isinstance(event, Finished) and event.outcome in _SLOW_AFTER
            )
            self.beat(worker, IMPORT_TIMEOUT if slow else HEARTBEAT_TIMEOUT)
            progress(event)

        return beating


def tell_systemd(watchdog: Watchdog, status: Callable[[], str], ended: threading.Event, *, interval: float) -> None:
    """Pass heartbeats and one line of status on until `ended`. While a worker hangs there are none, and systemd restarts the agent."""
    every, last_status, last_beat = beat_every(), "", 0.0
    while not ended.wait(min(every or interval, interval)):
        if (current := status()) != last_status:
            last_status = current
            notify(f"STATUS={current}")
        if every and time.monotonic() - last_beat >= every - interval / 2 and not watchdog.hung():
            last_beat = time.monotonic()
            notify("WATCHDOG=1")
