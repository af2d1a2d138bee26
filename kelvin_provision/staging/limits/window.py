"""May something be downloaded now? By the hours of the day that are set for it, and by what is left of the day's budget."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from kelvin_provision.errors import DownloadWaits
from kelvin_provision.settings.window import Window, clock
from kelvin_provision.staging.limits.budget import Budget


@dataclass(frozen=True)
class Moment:
    """What the clock on the wall shows: the day as YYYY-MM-DD, and the minute of that day."""

    day: str
    minute: int


def local() -> Moment:
    """Now, in the zone that the box is in now: a technician may set it while the agent lives."""
    time.tzset()
    now = time.localtime()
    return Moment(time.strftime("%Y-%m-%d", now), now.tm_hour * 60 + now.tm_min)


class Allowance:
    """Asked with every piece. Safe for several threads."""

    def __init__(self, window: Window | None = None, budget: Budget | None = None, *, wall: Callable[[], Moment] = local) -> None:
        self._window = window
        self._budget = budget
        self._wall = wall

    def check(self) -> None:
        """Raises DownloadWaits, which says until when."""
        if self._window is None and self._budget is None:
            return
        now = self._wall()
        if self._window and not self._window.has(now.minute):
            raise DownloadWaits(f"waits for the download window, opens at {clock(self._window.next_start(now.minute))}")
        if self._budget:
            self._budget.check(now.day)

    def came(self, count: int) -> None:
        """So many bytes came over the wire, whatever becomes of them."""
        if self._budget:
            self._budget.came(count, self._wall().day)

    def once_more(self, what: str, size: int) -> None:
        """A blob of this size is to come from its first byte although a part of it is here.

        Raises DownloadWaits when it does not fit into what is left of the day, BudgetTooSmall when it never will.
        """
        if self._budget:
            self._budget.once_more(what, size, self._wall().day)

    def settle(self) -> None:
        """Transfers have ended."""
        if self._budget:
            self._budget.settle()
