"""The trouble of a download as the ledger has it: told when an attempt brings nothing, over with the first bytes."""

from __future__ import annotations

import time
from collections.abc import Callable

from kelvin_provision.events import Advanced, Event, Progress, Retrying
from kelvin_provision.ledger.staging_state import Progressed, Waiting
from kelvin_provision.wait_reason import WaitKind, WaitReason

FIRST_BYTES = 1 << 10
"""Before so many bytes of an image have arrived, the last trouble is still the news."""
PAUSE = 10.0
"""Seconds between two records of trouble: a link that breaks every second must not wear out the disk of the ledger."""


class Trouble:
    """Wraps `progress`. `record` stores; `known`: whether there is trouble from an earlier attempt. Events come one at a time."""

    def __init__(
        self,
        progress: Progress,
        record: Callable[[Waiting | Progressed], object],
        *,
        known: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._progress = progress
        self._record = record
        self._clock = clock
        self._known = known
        self._told_at = float("-inf")
        self._before: dict[str, int] = {}

    def __call__(self, event: Event) -> None:
        self._progress(event)  # first: a command that reads the ledger then looks for the time of the next try
        if isinstance(event, Retrying):
            self._before.clear()
            if not self._known and self._clock() - self._told_at >= PAUSE:
                self._known, self._told_at = True, self._clock()
                self._record(Waiting(WaitReason(WaitKind.of_error(event.code), event.why)))
        elif isinstance(event, Advanced) and self._known:
            received = event.done - self._before.setdefault(event.task, event.done)
            if received >= FIRST_BYTES or event.done == event.total:
                self._known = False
                self._record(Progressed())
