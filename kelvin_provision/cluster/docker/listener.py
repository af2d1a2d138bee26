"""Hearing that something has changed, without asking: the engine's events, and again when it comes back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from kelvin_provision.errors import ClusterDenied, ProvisionError

TICK = 0.5
FIRST, MOST = 0.5, 10.0
"""Seconds between two tries to reach an engine that is away."""


class Listener:
    """`events` opens the stream. What is in an event does not matter: what there is now is asked anew."""

    def __init__(self, events: Callable[[], Any]) -> None:
        self._events = events
        self._news = threading.Event()
        self._closed = threading.Event()
        self._denied: ClusterDenied | None = None
        self._stream: Any = None

    def news(self, stop: Callable[[], bool]) -> Iterator[bool]:
        """See protocol.Cluster.watch."""
        thread = threading.Thread(target=self._listen, name="events", daemon=True)
        thread.start()
        try:
            while not stop():
                changed = self._news.wait(TICK)
                if changed:
                    self._news.clear()
                if self._denied:
                    raise self._denied
                yield changed
        finally:
            self._close()

    def _listen(self) -> None:
        pause = FIRST
        while not self._closed.is_set():
            try:
                self._stream = self._events()
            except ClusterDenied as error:
                self._denied = error
                self._news.set()
                return
            except ProvisionError:
                pass
            else:
                self._news.set()
                pause = FIRST
                self._hear()
                self._news.set()  # the engine has gone away
            self._closed.wait(pause)
            pause = min(pause * 2, MOST)

    def _hear(self) -> None:
        if self._closed.is_set():
            self._close()
        # Whatever ends it, in the SDK's words or the system's: the next try finds out what it was.
        with suppress(Exception):
            for _ in self._stream:
                self._news.set()

    def _close(self) -> None:
        self._closed.set()
        stream = self._stream
        if stream is not None:
            # The SDK shuts the socket down, which wakes the reader; one that has ended by itself has none any more.
            with suppress(Exception):
                stream.close()
