"""Watching for changes: the engine's stream of events, opened again whenever the engine comes back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from kelvin_provision.errors import ClusterDenied, ProvisionError
from kelvin_provision.retry import doubled

TICK = 0.5
MIN_PAUSE, MAX_PAUSE = 0.5, 10.0
"""Seconds between two attempts to reach an engine that is away."""


class EventWatcher:
    """`open_events` opens the stream. Contents of events are ignored: the caller reads the present state."""

    def __init__(self, open_events: Callable[[], Any]) -> None:
        self._open_events = open_events
        self._changed = threading.Event()
        self._closed = threading.Event()
        self._denied: ClusterDenied | None = None
        self._stream: Any = None

    def watch(self, stop: Callable[[], bool]) -> Iterator[bool]:
        """See protocol.Cluster.watch."""
        thread = threading.Thread(target=self._run, name="events", daemon=True)
        thread.start()
        try:
            while not stop():
                changed = self._changed.wait(TICK)
                if changed:
                    self._changed.clear()
                if self._denied:
                    raise self._denied
                yield changed
        finally:
            self._close()

    def _run(self) -> None:
        pause = MIN_PAUSE
        while not self._closed.is_set():
            try:
                self._stream = self._open_events()
            except ClusterDenied as error:
                self._denied = error
                self._changed.set()
                return
            except ProvisionError:
                pass
            else:
                self._changed.set()
                pause = MIN_PAUSE
                self._read()
                self._changed.set()  # the engine went away
            self._closed.wait(pause)
            pause = doubled(pause, MAX_PAUSE)

    def _read(self) -> None:
        if self._closed.is_set():
            self._close()
        # Whatever ends the stream, an error of the SDK or of the system: the next attempt to connect tells what it was.
        with suppress(Exception):
            for _ in self._stream:
                self._changed.set()

    def _close(self) -> None:
        self._closed.set()
        stream = self._stream
        if stream is not None:
            # The SDK shuts the socket down, which wakes the reader; a stream that ended by itself has no socket any more.
            with suppress(Exception):
                stream.close()
