"""Slots for transfers: as many as the concurrency limit allows now. A started blob has precedence over one that is not started."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from kelvin_provision.errors import TransferStopped
from kelvin_provision.staging.limits.adaptive import AdaptiveConcurrency

POLL = 0.1
"""Seconds between two checks whether to stop."""


class TransferSlots:
    """`concurrency` is a fixed number, or adaptive. Safe for several threads; each holds at most one slot."""

    def __init__(self, concurrency: int | AdaptiveConcurrency, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._concurrency = concurrency
        self._clock = clock
        self._changed = threading.Condition()
        self._holders: set[int] = set()
        self._leaving: set[int] = set()
        """Holders that were told to give up their slot, and have not done so yet."""
        self._resuming = 0
        """Transfers of a started blob that wait for a slot."""
        self._total = 0
        if isinstance(concurrency, AdaptiveConcurrency):
            concurrency.start()

    @property
    def _limit(self) -> int:
        return self._concurrency.limit if isinstance(self._concurrency, AdaptiveConcurrency) else self._concurrency

    def acquire(self, stop: Callable[[], bool], *, resumed: bool = False) -> None:
        """Wait for a slot; `resumed` for a blob that is started. Raises TransferStopped."""
        with self._changed:
            self._resuming += resumed
        try:
            while not self._try_acquire(resumed=resumed):
                if stop():
                    raise TransferStopped("stopped; what was downloaded is kept")
        finally:
            with self._changed:
                self._resuming -= resumed

    def _try_acquire(self, *, resumed: bool) -> bool:
        with self._changed:
            if len(self._holders) + (0 if resumed else self._resuming) >= self._limit:
                self._changed.wait(POLL)
                return False
            self._holders.add(threading.get_ident())
            return True

    def release(self) -> None:
        """Idempotent."""
        with self._changed:
            self._holders.discard(threading.get_ident())
            self._leaving.discard(threading.get_ident())
            self._changed.notify_all()

    def record_bytes(self, count: int) -> bool:
        """Whether the transfer keeps its slot; else it must close its connection, release the slot and acquire one again."""
        me = threading.get_ident()
        with self._changed:
            self._total += count
            if isinstance(self._concurrency, AdaptiveConcurrency):
                before = self._concurrency.limit
                self._concurrency.record_bytes(self._total, self._clock())
                if self._concurrency.limit > before:
                    self._changed.notify_all()
            if me in self._holders and len(self._holders) - len(self._leaving) > self._limit:
                self._leaving.add(me)
            return me not in self._leaving

    def record_stall(self) -> None:
        """A transfer got no byte until its time-out, or the registry was busy."""
        with self._changed:
            if isinstance(self._concurrency, AdaptiveConcurrency):
                self._concurrency.record_stall(self._clock())
