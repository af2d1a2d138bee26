"""Background work at low priority: downloads, imports and hashing yield to everything else on the box.

Linux keeps the nice value per thread, children inherit it, and without an explicit I/O priority the kernel derives the one of reads and
writes from it: 15 is the lowest level of the best-effort class (ioprio_set(2)), as in the agent's unit. So it needs no tool, holds for an
agent that `deploy` started, too, and an apply beside it is not slowed.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from kelvin_provision.staging.threads import StopCheck, run_threads

NICE = 15
T = TypeVar("T")


def lower_priority() -> None:
    """Lower the priority of this thread for good. Where that is not allowed, nothing happens."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, max(NICE, os.getpriority(os.PRIO_PROCESS, 0)))


def run_at_low_priority(call: Callable[[], T]) -> T:
    """Run the call in a thread of low priority until it ends, and do as it does. It cannot be stopped: an import is all or nothing."""
    results: list[T] = []
    errors: list[BaseException] = []

    def work() -> None:
        lower_priority()
        try:
            results.append(call())
        except BaseException as error:  # noqa: BLE001  (carried to the caller's thread)
            errors.append(error)

    run_threads([threading.Thread(target=work, name="import", daemon=True)], errors, StopCheck(lambda: False))
    if errors:
        raise errors[0]
    return results[0]
