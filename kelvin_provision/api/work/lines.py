"""Lines of the history that the API writes beside its answers, such as logins: soon, together, and bounded while the ledger takes none."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from kelvin_provision.context import Context
from kelvin_provision.errors import ProvisionError
from kelvin_provision.ledger import archive, history
from kelvin_provision.ledger.model.operations import Entry
from kelvin_provision.usecases.waking import wake

MOST = 256
"""Lines that wait. Further ones are counted, and the count is a line of its own."""
_WAKES = 3600.0
"""Seconds between two tries to start an agent only for it to seal older lines."""


class Lines:
    """`submit` runs a function in the thread of the ledger: at most one at a time is in its queue, however many lines there are."""

    def __init__(self, ctx: Context, submit: Callable[[Callable[[], None]], object], most: int = MOST) -> None:
        self._ctx = ctx
        self._submit = submit
        self._most = most
        self._lock = threading.Lock()
        self._waiting: deque[Entry] = deque()
        self._left_out = 0
        self._is_writing = False
        self._woken = float("-inf")

    def add(self, who: str, action: str, outcome: str, detail: str) -> None:
        """From any thread. Neither waits nor fails."""
        entry = self._entry(who, action, outcome, detail)
        with self._lock:
            if len(self._waiting) >= self._most:
                self._left_out += 1
            else:
                self._waiting.append(entry)
            if self._is_writing:
                return
            self._is_writing = True
        self._submit(self._write)

    def _entry(self, who: str, action: str, outcome: str, detail: str) -> Entry:
        return Entry(self._ctx.ledger.clock(), who, action, "", None, outcome, detail)

    def _write(self) -> None:
        """What the ledger does not take now is written with the next line."""
        with self._lock:
            self._is_writing = False
            entries, left_out = list(self._waiting), self._left_out
        count = len(entries)
        if left_out:
            entries.append(self._entry("api", "api login", "left out", f"{left_out} lines, while the ledger took none"))
        if not entries:
            return
        with suppress(ProvisionError):
            with self._ctx.ledger.writing() as db:
                for entry in entries:
                    history.append(db, entry)
            with self._lock:
                self._left_out -= left_out
                for _ in range(count):
                    self._waiting.popleft()
            self._seal()

    def _seal(self) -> None:
        """The agent does it after every change. On a box where nothing but logins happens, none may be alive."""
        if time.monotonic() - self._woken >= _WAKES and archive.is_due(self._ctx.ledger, self._ctx.settings.history.keep):
            self._woken = time.monotonic()
            wake(self._ctx)
