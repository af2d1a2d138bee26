"""The day's data budget. It is drawn from the ledger in slices before it is used, so a power cut counts up to one slice too much.

Never too little: a box that loses power every minute must not download for ever on a plan that is paid by the byte.
"""

from __future__ import annotations

import threading

from kelvin_provision.errors import BudgetTooSmall, DownloadWaits
from kelvin_provision.ledger import traffic
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.quantity import format_si
from kelvin_provision.wait_reason import WaitKind, WaitReason, describe

SLICES = 64
"""Per day's budget: at most as many commits a day, however fast the link is, and a crash costs less than 2 %."""


def waits(reason: WaitReason) -> DownloadWaits:
    error = DownloadWaits(describe(reason))
    error.wait_reason = reason
    return error


def _spent(detail: str) -> DownloadWaits:
    return waits(WaitReason(WaitKind.DOWNLOAD_BUDGET, detail))


class Budget:
    """`limit` bytes per day; days are YYYY-MM-DD. Safe for several threads."""

    def __init__(self, limit: int, ledger: Ledger) -> None:
        self._limit = limit
        self._ledger = ledger
        self._lock = threading.Lock()
        self._day, self._drawn = "", 0

    def check(self, day: str) -> None:
        """Raises DownloadWaits when nothing is left. Writes nothing: a box that is offline checks all the time."""
        with self._lock:
            self._change_day(day)
            if self._drawn <= 0 and self._left(day) <= 0:
                raise _spent(f"the {format_si(self._limit)} of download.budget are used up for today")

    def record_bytes(self, count: int, day: str) -> None:
        with self._lock:
            self._change_day(day)
            self._drawn -= count
            if self._drawn < 0:
                self._drawn += traffic.draw(self._ledger, day, self._limit // SLICES - self._drawn, self._limit)

    def check_restart(self, blob: str, size: int, day: str) -> None:
        """See `DownloadPolicy.check_restart`."""
        with self._lock:
            self._change_day(day)
            if size > self._limit:
                raise BudgetTooSmall(
                    f"{blob} cannot be resumed from this registry, and its {format_si(size)} exceed the download.budget of a whole day"
                )
            if size > self._left(day) + self._drawn:
                raise _spent(f"{blob} cannot be resumed, and its {format_si(size)} exceed what is left today")

    def settle(self) -> None:
        """Return what was drawn and not used."""
        with self._lock:
            if self._drawn > 0:
                traffic.give_back(self._ledger, self._day, self._drawn)
                self._drawn = 0

    def _left(self, day: str) -> int:
        return self._limit - traffic.used(self._ledger, day)

    def _change_day(self, day: str) -> None:
        if day != self._day:
            self._day, self._drawn = day, 0
