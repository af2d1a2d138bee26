"""Lanes for transfers: as many as the link bears at the moment. Who has begun a blob goes before who has not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from kelvin_provision.errors import TransferStopped
from kelvin_provision.staging.limits.adaptive import AdaptiveConcurrency

PAUSE = 0.1
"""Seconds between two questions whether to stop."""


class TransferSlots:
    """`width` is how many, or what finds out. Safe for several threads; each holds one lane at the most."""

    def __init__(self, width: int | AdaptiveConcurrency, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._width = width
        self._clock = clock
        self._free = threading.Condition()
        self._held: set[int] = set()
        self._ending: set[int] = set()
        self._eager = 0
        self._total = 0
        if isinstance(width, AdaptiveConcurrency):
            width.begin()

    @property
    def _most(self) -> int:
        return self._width.now if isinstance(self._width, AdaptiveConcurrency) else self._width

    def enter(self, halted: Callable[[], bool], *, begun: bool = False) -> None:
        """Wait for a lane. Raises TransferStopped when `halted` says so."""
        with self._free:
            self._eager += begun
        try:
            while not self._entered(begun=begun):
                if halted():
                    raise TransferStopped("stopped; what was downloaded is kept")
        finally:
            with self._free:
                self._eager -= begun

    def _entered(self, *, begun: bool) -> bool:
        with self._free:
            if len(self._held) + (0 if begun else self._eager) >= self._most:
                self._free.wait(PAUSE)
                return False
            self._held.add(threading.get_ident())
            return True

    def leave(self) -> None:
        """Give the lane to who waits. Without one, nothing."""
        with self._free:
            self._held.discard(threading.get_ident())
            self._ending.discard(threading.get_ident())
            self._free.notify_all()

    def came(self, count: int) -> bool:
        """So many bytes came. Whether the transfer may go on: else it ends its connection, leaves, and enters again when there is room."""
        me = threading.get_ident()
        with self._free:
            self._total += count
            if isinstance(self._width, AdaptiveConcurrency):
                before = self._width.now
                self._width.reached(self._total, self._clock())
                if self._width.now > before:
                    self._free.notify_all()
            if me in self._held and len(self._held) - len(self._ending) > self._most:
                self._ending.add(me)
            return me not in self._ending

    def stalled(self) -> None:
        """A transfer got no byte for too long, or was told to come later."""
        with self._free:
            if isinstance(self._width, AdaptiveConcurrency):
                self._width.stalled(self._clock())
