"""A client that reads less than `PIECE` of an answer within `STUCK` seconds is cut off.

asyncio keeps a connection open for ever that has bytes left to write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from kelvin_provision.serving.bounds import PIECE, STUCK


class Unread:
    """Watches the buffer of a transport from `pause` to `resume`, which asyncio calls when it fills and when it is empty."""

    def __init__(self, transport: asyncio.Transport, drop: Callable[[], None], stuck: float = STUCK) -> None:
        self._transport, self._drop, self._stuck = transport, drop, stuck
        self._timer: asyncio.TimerHandle | None = None

    def pause(self) -> None:
        if self._timer is None:
            self._expect()

    def resume(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expect(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._stuck, self._look, self._transport.get_write_buffer_size())

    def _look(self, before: int) -> None:
        if self._transport.get_write_buffer_size() > before - PIECE:
            self._drop()
        else:
            self._expect()
