"""Logs of containers, whatever cluster they are of: bytes to lines, and following many at once. Memory is bounded throughout."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from kelvin_provision import timestamps
from kelvin_provision.cluster.protocol import LogLine
from kelvin_provision.errors import ProvisionError

LONGEST = 64 * 1024
"""Bytes of a line that are held together; the rest comes as a further line."""

WAITING = 1000
"""Lines that may wait for whoever reads them; containers that write faster wait too."""

LOOK = 2.0
TICK = 0.2


@dataclass(frozen=True)
class Asked:
    """The arguments of protocol.Cluster.logs."""

    tail: int | None
    since: str | None
    previous: bool
    follow: bool


def lines(source: str, container: str, chunks: Iterable[bytes], *, since: str = "") -> Iterator[LogLine]:
    """What stands in chunks of bytes, each line of which begins with its time; bytes that are not UTF-8 are replaced.

    Lines before `since`, a `timestamps.normalized` time, are left out: clusters take whole seconds only.
    """
    last = ""
    for raw, continued in _split(chunks):
        text = raw.decode("utf-8", "replace")
        if not continued:
            stamp, _, text = text.partition(" ")
            try:
                last = timestamps.normalized(stamp)
            except ValueError:
                continue  # a kubelet puts its own troubles into the log: "unable to retrieve container logs for ..."
        if last >= since:
            yield LogLine(source, container, last, text.removesuffix("\r"))


def _split(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Lines, each with whether it goes on where the one before was cut."""
    rest, continued = b"", False
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line, continued
            continued = False
        while len(rest) > LONGEST:
            yield rest[:LONGEST], continued
            rest, continued = rest[LONGEST:], True
    if rest:
        yield rest, continued


class Stream(Protocol):
    """An open log. `close` may be called from another thread and ends the iteration."""

    def __iter__(self) -> Iterator[LogLine]:
        """Line by line."""
        ...

    def close(self) -> None:
        """End it now."""
        ...


@dataclass(frozen=True)
class Source:
    """One run of one container. `place` is the container whatever it is called, `run` tells its runs apart.

    `writes` is whether it may still write; `open` takes tail and since.
    """

    place: str
    run: str
    writes: bool
    open: Callable[[int | None, str | None], Stream]


@dataclass(frozen=True)
class Found:
    """What has a log now; `lasts` is whether more may come, from these or from containers that are only on their way."""

    sources: Sequence[Source]
    lasts: bool


def logs(find: Callable[[], Found], asked: Asked, stop: Callable[[], bool]) -> Iterator[LogLine]:
    """See protocol.Cluster.logs."""
    if asked.follow:
        return follow(find, tail=asked.tail, since=asked.since, stop=stop)
    return read(find().sources, tail=asked.tail, since=asked.since)


def read(sources: Sequence[Source], *, tail: int | None, since: str | None) -> Iterator[LogLine]:
    """One after the other, as it is now."""
    for source in sources:
        stream = source.open(tail, since)
        try:
            yield from stream
        finally:
            stream.close()


def follow(find: Callable[[], Found], *, tail: int | None, since: str | None, stop: Callable[[], bool]) -> Iterator[LogLine]:
    """All of them as they write; `find` is asked now and then. Raises what `find` raises; a stream that breaks is opened again."""
    following = _Following(tail, since)
    due = 0.0
    try:
        while not stop():
            if time.monotonic() >= due:
                found = find()
                following.begin(found)
                if following.quiet and not found.lasts:
                    return
                due = time.monotonic() + LOOK
            reading = following.reading
            yield from following.come(TICK)
            if following.reading < reading:
                due = min(due, time.monotonic() + LOOK / 2)  # has it ended for good, or is there a successor?
    finally:
        following.close()


class _Reader(threading.Thread):
    """One stream into the queue of all. Waits while the queue is full, and gives up when nobody wants it any more."""

    def __init__(self, source: Source, stream: Stream, after: str, out: queue.Queue[_Said]) -> None:
        super().__init__(name=f"log of {source.place}", daemon=True)
        self.source = source
        self.stream = stream
        self._after = after
        self._out = out
        self._over = threading.Event()

    def run(self) -> None:
        """Until the stream ends or breaks; what is missing then, the next one brings."""
        with suppress(ProvisionError):
            for line in self.stream:
                if line.time > self._after and not self._put(line):
                    return
        self._put(None)

    def _put(self, line: LogLine | None) -> bool:
        while not self._over.is_set():
            with suppress(queue.Full):
                self._out.put((self, line), timeout=TICK)
                return True
        return False

    def close(self) -> None:
        """From outside."""
        self._over.set()
        self.stream.close()


_Said = tuple[_Reader, LogLine | None]
"""A line and whose it is, or None for its end."""


class _Following:
    """Which runs are being read, which have ended, and how far each container was read."""

    def __init__(self, tail: int | None, since: str | None) -> None:
        self._tail, self._since = tail, since
        self._first = True
        self._out: queue.Queue[_Said] = queue.Queue(WAITING)
        self._readers: dict[tuple[str, str], _Reader] = {}
        self._ended: set[tuple[str, str]] = set()
        self._last: dict[str, str] = {}

    @property
    def reading(self) -> int:
        """How many are open."""
        return len(self._readers)

    @property
    def quiet(self) -> bool:
        """Whether nothing is being read any more."""
        return not self._readers and self._out.empty()

    def begin(self, found: Found) -> None:
        """Open what is not open yet: new runs from their start, broken ones where they broke."""
        first, self._first = self._first, False
        for source in found.sources:
            key = source.place, source.run
            if key in self._readers or (key in self._ended and not (source.writes and found.lasts)):
                continue
            after = self._last.get(source.place, "")
            try:
                stream = source.open(self._tail if first else None, after or (self._since if first else None))
            except ProvisionError:
                if first:
                    raise
                continue  # the next look tries again
            reader = self._readers[key] = _Reader(source, stream, after, self._out)
            reader.start()
        self._ended &= {(source.place, source.run) for source in found.sources}

    def come(self, seconds: float) -> Iterator[LogLine]:
        """What has come, up to a limit; waits so long for the first of it."""
        with suppress(queue.Empty):
            for turn in range(WAITING):
                reader, line = self._out.get(timeout=seconds) if turn == 0 else self._out.get_nowait()
                if line is None:
                    key = reader.source.place, reader.source.run
                    self._readers.pop(key).stream.close()
                    self._ended.add(key)
                    return
                self._last[reader.source.place] = line.time
                yield line

    def close(self) -> None:
        """End every stream and wait for the threads, a moment at most."""
        for reader in self._readers.values():
            reader.close()
        for reader in self._readers.values():
            reader.join(timeout=1.0)
