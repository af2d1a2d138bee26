"""Two things at once with the chunks of a bundle: while one thread hashes and writes a chunk, the other reads the next ones."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable

from kelvin_provision.bundles import limits

BUFFERS = 2
"""Chunks in memory at a time."""


def run(spans: Iterable[tuple[int, int]], fill: Callable[[int, memoryview], None], take: Callable[[int, memoryview], None]) -> None:
    """`fill` and then `take` for each offset and size, each in order. The first error of either ends it and is raised."""
    free: queue.SimpleQueue[bytearray] = queue.SimpleQueue()
    full: queue.SimpleQueue[tuple[int, int, bytearray] | None] = queue.SimpleQueue()
    errors: list[BaseException] = []
    for _ in range(BUFFERS):
        free.put(bytearray(limits.CHUNK))

    def work() -> None:
        while (item := full.get()) is not None:
            offset, size, buffer = item
            if not errors:
                try:
                    take(offset, memoryview(buffer)[:size])
                except BaseException as error:  # noqa: BLE001  (carried to the caller's thread)
                    errors.append(error)
            free.put(buffer)

    thread = threading.Thread(target=work, name="chunks", daemon=True)
    thread.start()
    try:
        for offset, size in spans:
            buffer = free.get()
            if errors:
                break
            fill(offset, memoryview(buffer)[:size])
            full.put((offset, size, buffer))
    finally:
        full.put(None)
        thread.join()
    if errors:
        raise errors[0]
