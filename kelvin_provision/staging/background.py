"""Work that makes way for everything else on the box: its threads have a low priority, and no other thread has.

Linux keeps the nice value for each thread, children inherit it, and where nothing else is said the kernel derives from it the
priority of reads and writes: 15 is the lowest level of the best-effort class (ioprio_set(2)), what the agent's unit asks for.
So it needs no tool, holds for an agent that `deploy` started, too, and an apply beside it is not slowed.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress

from kelvin_provision.staging.threads import Asked, run

NICE = 15


def yield_to_others() -> None:
    """Lower this thread for good; one that is lower already stays so. Where that is not allowed, nothing happens."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, max(NICE, os.getpriority(os.PRIO_PROCESS, 0)))


def run_at_low_priority(call: Callable[[], object]) -> None:
    """Do it at low priority and wait for its end; raises what it raises. It is not broken off: an import is whole or not at all."""
    errors: list[BaseException] = []

    def work() -> None:
        yield_to_others()
        try:
            call()
        except BaseException as error:  # noqa: BLE001  (carried to the caller's thread)
            errors.append(error)

    run([threading.Thread(target=work, name="import", daemon=True)], errors, Asked(lambda: False))
    if errors:
        raise errors[0]
