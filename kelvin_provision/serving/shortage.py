"""What asyncio says when a connection cannot be accepted because no descriptor or memory is left: one line a minute.

It tries again every second and says so up to 128 times each: on a box that is one of the things that fill a disk.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import time
from collections.abc import Callable
from typing import Any

PAUSE = 60.0
_SHORT = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
LOG = logging.getLogger("kelvin_provision.api")


class Shortage:
    """An exception handler of the event loop. Everything else is said as asyncio says it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._said = float("-inf")

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, ValueError) and "_start_serving" in context.get("message", ""):
            return  # it wanted to try again, and the API has ended
        if not isinstance(error, OSError) or error.errno not in _SHORT:
            loop.default_exception_handler(context)
        elif self._clock() - self._said >= PAUSE:
            self._said = self._clock()
            LOG.error("connections wait: %s", (error.strerror or str(error)).lower())
