"""Packages of workloads: prepared by a job of the agent, and read in threads of their own. No disk holds up the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from kelvin_provision.api.work.asking import result_of_job
from kelvin_provision.api.work.box import Box
from kelvin_provision.api.work.imports import SOON
from kelvin_provision.store import Store
from kelvin_provision.usecases.bundles.packable import PackageRequest, revision_number
from kelvin_provision.usecases.bundles.prepared import Prepared, Reading, forget_all, load, path_of

AGAIN = 2
"""Seconds after which a client may ask again."""
PATIENCE = 3600.0
"""Seconds that one may take: every content is read twice."""
_THREADS = 2
_Key = tuple[str, int]


class Packages:
    """Each version is prepared once, for all who ask for it. What an earlier process has prepared is forgotten."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self._state_dir = box.settings.state_dir
        self._store = Store(self._state_dir)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="packages")
        self._tasks: dict[_Key, asyncio.Task[None]] = {}
        self._turn = asyncio.Lock()
        self._threads.submit(forget_all, self._state_dir)

    def close(self) -> None:
        self._threads.shutdown()

    async def prepared(self, name: str, *, running: bool = False, patience: float = SOON) -> Prepared | None:
        """None while it is being made. Raises WorkloadUnknown, NothingApplied, PackageImpossible, and what the agent raises."""
        for _ in range(2):
            key = (name, await self._box.ask(revision_number, PackageRequest(name, running)))
            there: Prepared | None = await self._do(load, path_of(self._state_dir, *key), self._store)
            if there is not None:
                return there
            if not await self._made(key, running=running, patience=patience):
                return None
        return None  # the version changes under it

    async def _made(self, key: _Key, *, running: bool, patience: float) -> bool:
        """Whether it is made now. Its error is raised once, to one who asks; the next one begins it again."""
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = asyncio.ensure_future(self._make({"name": key[0], "running": running}))
            task.add_done_callback(_noted)
        await asyncio.wait({task}, timeout=patience)
        if not task.done():
            return False
        self._tasks.pop(key, None)
        task.result()
        return True

    async def _make(self, arguments: dict[str, Any]) -> None:
        """One after the other: the agent does one job of a kind at a time."""
        async with self._turn:
            await result_of_job(self._box, "make-package", arguments, PATIENCE)

    async def blocks(self, prepared: Prepared, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """These bytes of it. Raises DigestMismatch for content that is gone meanwhile."""
        reading = await self._do(Reading, prepared, self._store)
        try:
            while start < end:
                data = await self._do(reading.read, start, end - start)
                start += len(data)
                yield data
        finally:
            await asyncio.shield(self._do(reading.close))

    async def _do(self, function: Any, *words: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(function, *words))


def _noted(task: asyncio.Task[None]) -> None:
    """Its error is for who asks next: asyncio would write it to the log."""
    if not task.cancelled():
        task.exception()
