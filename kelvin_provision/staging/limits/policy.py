"""When a download is allowed: by the download window, and by the day's data budget."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from kelvin_provision.settings.window import Window, clock
from kelvin_provision.staging.limits.budget import Budget, waits
from kelvin_provision.wait_reason import WaitKind, WaitReason


@dataclass(frozen=True)
class LocalTime:
    """The day as YYYY-MM-DD, and the minute of that day."""

    day: str
    minute: int


def local_time() -> LocalTime:
    """Now, in the time zone that is set now: it may change while the agent runs."""
    time.tzset()
    now = time.localtime()
    return LocalTime(time.strftime("%Y-%m-%d", now), now.tm_hour * 60 + now.tm_min)


class DownloadPolicy:
    """Checked before every request and after every chunk. Safe for several threads."""

    def __init__(self, window: Window | None = None, budget: Budget | None = None, *, now: Callable[[], LocalTime] = local_time) -> None:
        self._window = window
        self._budget = budget
        self._now = now

    def check(self) -> None:
        """Raises DownloadWaits, which says until when."""
        if self._window is None and self._budget is None:
            return
        now = self._now()
        if self._window and not self._window.has(now.minute):
            raise waits(WaitReason(WaitKind.DOWNLOAD_WINDOW, until=clock(self._window.next_start(now.minute))))
        if self._budget:
            self._budget.check(now.day)

    def record_bytes(self, count: int) -> None:
        """Bytes that were received, whether or not they are kept."""
        if self._budget:
            self._budget.record_bytes(count, self._now().day)

    def check_restart(self, blob: str, size: int) -> None:
        """A blob of this size has to be downloaded from its first byte again although a part of it is present.

        Raises DownloadWaits when it does not fit into what is left of the day, BudgetTooSmall when it never will.
        """
        if self._budget:
            self._budget.check_restart(blob, size, self._now().day)

    def settle(self) -> None:
        """Call when the transfers have ended: returns what was drawn from the budget and not used."""
        if self._budget:
            self._budget.settle()
