"""Whether the agent lives. Whoever works says so as it goes; one that falls silent for too long has hung, and is not covered up.

The work beats whenever it asks whether to stop, which every loop, every chunk and every wait for a registry does: a transfer
that stalls and tries again is alive. What cannot ask, an import, gets an hour. No timer beats for anybody.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from kelvin_provision.agent.systemd.notify import beat_every, notify
from kelvin_provision.events import Event, Finished, Progress, Started

SILENCE = 600.0
"""Seconds without a word: the longest that one question to a registry, cluster or runtime may take with all its tries."""
LONG = 3600.0
"""Seconds for an import and for the sync after it: a large image on an SD card."""
_LONG_VERBS = frozenset({"importing"})
_LONG_AFTER = frozenset({"imported"})


class Watchdog:
    """Until when each worker may be silent. Any thread may call it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}

    def beat(self, who: str, seconds: float = SILENCE) -> None:
        """Alive, and it may take this long until the next word."""
        self._until[who] = self._clock() + seconds

    def gone(self, who: str) -> None:
        """It has ended: its silence means nothing."""
        self._until.pop(who, None)

    def silent(self) -> tuple[str, ...]:
        """Who has hung."""
        now = self._clock()
        return tuple(who for who, until in list(self._until.items()) if until < now)

    def asked(self, who: str, question: Callable[[], bool]) -> Callable[[], bool]:
        """The question, which beats whenever it is asked."""

        def beating() -> bool:
            self.beat(who)
            return question()

        return beating

    def heard(self, who: str, progress: Progress) -> Progress:
        """The listener, which beats with every event."""

        def beating(event: Event) -> None:
            long = (isinstance(event, Started) and event.verb in _LONG_VERBS) or (
                isinstance(event, Finished) and event.outcome in _LONG_AFTER
            )
            self.beat(who, LONG if long else SILENCE)
            progress(event)

        return beating


def tell_systemd(watchdog: Watchdog, status: Callable[[], str], ended: threading.Event, *, interval: float) -> None:
    """Pass heartbeats and one line of status on until `ended`. While a worker hangs there is none, and systemd restarts the agent."""
    every, last_status, last_beat = beat_every(), "", 0.0
    while not ended.wait(min(every or interval, interval)):
        if (current := status()) != last_status:
            last_status = current
            notify(f"STATUS={current}")
        if every and time.monotonic() - last_beat >= every - interval / 2 and not watchdog.silent():
            last_beat = time.monotonic()
            notify("WATCHDOG=1")
