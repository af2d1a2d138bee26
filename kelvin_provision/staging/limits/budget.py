"""The day's data budget. It is drawn from the ledger in slices before it is used: a power cut makes a slice too much of what was used.

Never the other way round: a box that loses its power every minute must not download for ever on a plan that costs money by the byte.
"""

from __future__ import annotations

import threading

from kelvin_provision.errors import BudgetTooSmall, DownloadWaits
from kelvin_provision.ledger import traffic
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.quantity import format_si

SLICES = 64
"""Of a day's budget. So many commits a day at the most, however fast the link is, and what a crash costs is under 2 %."""


class Budget:
    """`limit` bytes each day. Days are given as names. Safe for several threads."""

    def __init__(self, limit: int, ledger: Ledger) -> None:
        self._limit = limit
        self._ledger = ledger
        self._lock = threading.Lock()
        self._day, self._drawn = "", 0

    def check(self, day: str) -> None:
        """Raises DownloadWaits when nothing is left. Writes nothing: a box that is offline asks all the time."""
        with self._lock:
            self._turn_to(day)
            if self._drawn <= 0 and self._left(day) <= 0:
                raise DownloadWaits(f"waits for midnight: the {format_si(self._limit)} of download.budget are used up for today")

    def came(self, count: int, day: str) -> None:
        """So many bytes were used."""
        with self._lock:
            self._turn_to(day)
            self._drawn -= count
            if self._drawn < 0:
                self._drawn += traffic.draw(self._ledger, day, self._limit // SLICES - self._drawn, self._limit)

    def once_more(self, what: str, size: int, day: str) -> None:
        """See `Allowance.once_more`."""
        with self._lock:
            self._turn_to(day)
            if size > self._limit:
                raise BudgetTooSmall(
                    f"{what} cannot be resumed where it comes from; its {format_si(size)} are more than a day's download.budget"
                )
            if size > self._left(day) + self._drawn:
                raise DownloadWaits(
                    f"waits for midnight: {what} cannot be resumed, and its {format_si(size)} are more than is left for today"
                )

    def settle(self) -> None:
        """Give back what was drawn and not used."""
        with self._lock:
            if self._drawn > 0:
                traffic.give_back(self._ledger, self._day, self._drawn)
                self._drawn = 0

    def _left(self, day: str) -> int:
        return self._limit - traffic.used(self._ledger, day)

    def _turn_to(self, day: str) -> None:
        if day != self._day:
            self._day, self._drawn = day, 0
