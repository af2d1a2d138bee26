"""Reading the logs of several containers one after the other, or following all of them at once. Memory is bounded throughout."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from kelvin_provision.cluster.logs.lines import LogLine
from kelvin_provision.cluster.logs.sources import LogOptions, LogSource, LogSources, LogStream
from kelvin_provision.errors import ProvisionError


@dataclass(frozen=True)
class FollowPolicy:
    """`refresh`: seconds between two lists of the containers; `tick`: between two questions to `stop`.

    `queue_size`: lines that wait for the reader; containers that write faster wait too.
    """

    refresh: float = 2.0
    tick: float = 0.2
    queue_size: int = 1000


DEFAULT_POLICY = FollowPolicy()


def stream(list_sources: Callable[[], LogSources], options: LogOptions, stop: Callable[[], bool]) -> Iterator[LogLine]:
    """See protocol.Cluster.logs."""
    if options.follow:
        return follow(list_sources, tail=options.tail, since=options.since, stop=stop)
    return read(list_sources().sources, tail=options.tail, since=options.since)


def read(sources: Sequence[LogSource], *, tail: int | None, since: str | None) -> Iterator[LogLine]:
    """One after the other, up to what is written now."""
    for source in sources:
        lines = source.open(tail, since)
        try:
            yield from lines
        finally:
            lines.close()


def follow(
    list_sources: Callable[[], LogSources],
    *,
    tail: int | None,
    since: str | None,
    stop: Callable[[], bool],
    policy: FollowPolicy = DEFAULT_POLICY,
) -> Iterator[LogLine]:
    """All of them as they write. Raises what `list_sources` raises; a stream that breaks is opened again."""
    follower = _Follower(tail, since, policy)
    refresh_at = 0.0
    try:
        while not stop():
            if time.monotonic() >= refresh_at:
                listed = list_sources()
                follower.open(listed)
                if follower.idle and not listed.more_expected:
                    return
                refresh_at = time.monotonic() + policy.refresh
            readers = follower.reader_count
            yield from follower.receive(policy.tick)
            if follower.reader_count < readers:
                refresh_at = min(refresh_at, time.monotonic() + policy.refresh / 2)  # has it ended for good, or is there a successor?
    finally:
        follower.close()


class _Reader(threading.Thread):
    """Reads one stream into the queue of all. Waits while the queue is full, and gives up when it is closed."""

    def __init__(self, source: LogSource, lines: LogStream, after: str, output: queue.Queue[_Item], tick: float) -> None:
        super().__init__(name=f"log of {source.container}", daemon=True)
        self.source = source
        self.lines = lines
        self._after = after
        self._output = output
        self._tick = tick
        self._closed = threading.Event()

    def run(self) -> None:
        with suppress(ProvisionError):  # the stream is opened again, after the last line that was read
            for line in self.lines:
                if line.time > self._after and not self._put(line):
                    return
        self._put(None)

    def _put(self, line: LogLine | None) -> bool:
        while not self._closed.is_set():
            with suppress(queue.Full):
                self._output.put((self, line), timeout=self._tick)
                return True
        return False

    def close(self) -> None:
        self._closed.set()
        self.lines.close()


_Item = tuple[_Reader, LogLine | None]
"""A line and its reader, or None for the end of the stream."""


class _Follower:
    """Knows which runs are being read, which have ended, and the last line of each container."""

    def __init__(self, tail: int | None, since: str | None, policy: FollowPolicy) -> None:
        self._tail, self._since = tail, since
        self._tick = policy.tick
        self._queue_size = policy.queue_size
        self._first = True
        self._queue: queue.Queue[_Item] = queue.Queue(policy.queue_size)
        self._readers: dict[tuple[str, str], _Reader] = {}
        self._ended: set[tuple[str, str]] = set()
        self._last_time: dict[str, str] = {}

    @property
    def reader_count(self) -> int:
        return len(self._readers)

    @property
    def idle(self) -> bool:
        return not self._readers and self._queue.empty()

    def open(self, listed: LogSources) -> None:
        """Open what is not open yet: new runs from their start, broken streams where they broke."""
        first, self._first = self._first, False
        for source in listed.sources:
            key = source.container, source.run
            if key in self._readers or (key in self._ended and not (source.running and listed.more_expected)):
                continue
            after = self._last_time.get(source.container, "")
            try:
                lines = source.open(self._tail if first else None, after or (self._since if first else None))
            except ProvisionError:
                if first:
                    raise
                continue  # tried again at the next refresh
            reader = self._readers[key] = _Reader(source, lines, after, self._queue, self._tick)
            reader.start()
        self._ended &= {(source.container, source.run) for source in listed.sources}

    def receive(self, timeout: float) -> Iterator[LogLine]:
        """The lines that are in the queue; waits up to `timeout` for the first."""
        with suppress(queue.Empty):
            for index in range(self._queue_size):
                reader, line = self._queue.get(timeout=timeout) if index == 0 else self._queue.get_nowait()
                if line is None:
                    key = reader.source.container, reader.source.run
                    self._readers.pop(key).lines.close()
                    self._ended.add(key)
                    return
                self._last_time[reader.source.container] = line.time
                yield line

    def close(self) -> None:
        """Close every stream and wait for the threads, a second at most for each."""
        for reader in self._readers.values():
            reader.close()
        for reader in self._readers.values():
            reader.join(timeout=1.0)
