"""Imports of bundles: each goes on without the client that asked for it, and who asks the same again hears its end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

from kelvin_provision.errors import ProvisionError
from kelvin_provision.ledger.repeats import WINDOW

SOON = 1.8
"""Seconds in which a program gets an answer; the agent needs about one for a bundle of requests."""
_KEPT = 64
LOG = logging.getLogger("kelvin_provision.api")

Begin = Callable[[], Awaitable[Any]]
Stands = Callable[[Any], Awaitable[bool]]
"""Whether nothing else was done since to what an import has brought."""


class Imports:
    """In memory: after a restart the same request stages the same versions once more. `clock` only ever goes forward."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tasks: OrderedDict[str, asyncio.Task[Any]] = OrderedDict()
        self._ended: dict[str, float] = {}

    async def result(self, key: str, begin: Begin, stands: Stands, failed: Callable[[str], None], patience: float) -> Any:
        """Of the import with this key, which is begun unless it is under way or has just ended; None if it takes longer than `patience`.

        `failed` is called for an error that comes after that. Raises what `begin` raises.
        """
        task = self._tasks.get(key)
        if task is None or (task.done() and not await self._counts(key, task, stands)):
            task = self._tasks[key] = asyncio.ensure_future(begin())
            task.add_done_callback(lambda done: self._end(key, done))
            self._tasks.move_to_end(key)
        await asyncio.wait({task}, timeout=patience)
        if task.done():
            return task.result()
        task.add_done_callback(lambda done: _tell(done, failed))
        return None

    async def _counts(self, key: str, task: asyncio.Task[Any], stands: Stands) -> bool:
        if self._ended.get(key, float("-inf")) + WINDOW < self._clock() or task.cancelled() or task.exception():
            return False
        return await stands(task.result())

    def _end(self, key: str, task: asyncio.Task[Any]) -> None:
        """The results of the last ones are kept; of tasks that are not done none is given up."""
        self._ended[key] = self._clock()
        for old in [other for other, ended in self._tasks.items() if ended.done()][: max(len(self._tasks) - _KEPT, 0)]:
            del self._tasks[old]
            self._ended.pop(old, None)
        if not task.cancelled():
            task.exception()  # asked for: asyncio would write it to the log


def _tell(task: asyncio.Task[Any], failed: Callable[[str], None]) -> None:
    error = None if task.cancelled() else task.exception()
    if isinstance(error, ProvisionError):
        failed(str(error))
    elif error is not None:
        LOG.error("an import", exc_info=error)
