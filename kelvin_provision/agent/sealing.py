"""Older lines of the history go into files (`history.keep`) also where nothing but logins and settings write lines."""

from __future__ import annotations

import time
from collections.abc import Callable

from kelvin_provision.context import Context
from kelvin_provision.errors import Locked, ProvisionError
from kelvin_provision.events import Note
from kelvin_provision.usecases.operation import seal_history

PAUSE = 3600.0
"""Seconds after a failure: a history that is not intact stays so, and reading all of it takes a while."""


class Sealing:
    """Call it after each turn."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._not_before = float("-inf")

    def take(self, ctx: Context) -> None:
        if self._clock() < self._not_before:
            return
        try:
            seal_history(ctx)
        except Locked:  # the change that holds the lock seals, too
            return
        except ProvisionError as error:
            self._not_before = self._clock() + PAUSE
            ctx.progress(Note(f"older history was not sealed: {error}"))
