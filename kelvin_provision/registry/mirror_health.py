"""Which places were no good: they gave bytes of a blob that led to nothing, or took long to say nothing. Those are asked last.

So no mirror keeps an image from coming that the registry has.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from kelvin_provision.errors import ProvisionError
from kelvin_provision.refs import Descriptor
from kelvin_provision.registry.protocol import Stream

REMEMBERED = 1000
LONG, AVOIDED = 1.0, 30.0
"""Seconds that a place may take to say nothing, and for which it is asked last then: one that swallows packets takes ten each time."""


@dataclass
class _Told:
    """Of one blob: who gave bytes since its first one, who is doubted, and whether the last byte was given."""

    given: set[str] = field(default_factory=set)
    doubted: set[str] = field(default_factory=set)
    whole: bool = False


class MirrorHealth:
    """By digest and host. Several threads may use it, each for blobs of its own."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._silent: dict[str, float] = {}
        self._told: dict[str, _Told] = {}
        self._lock = threading.Lock()

    def _of(self, blob: Descriptor) -> _Told:
        with self._lock:
            found = self._told.setdefault(blob.digest, _Told())
            if len(self._told) > REMEMBERED:
                self._told.pop(next(iter(self._told)))
            return found

    def silent(self, host: str, seconds: float) -> None:
        """It gave nothing, and took so long for it."""
        if seconds >= LONG:
            self._silent[host] = self._clock() + AVOIDED

    def avoided(self) -> frozenset[str]:
        """Who took long to say nothing, lately."""
        now = self._clock()
        return frozenset(host for host, until in list(self._silent.items()) if until > now)

    def asked(self, blob: Descriptor, offset: int) -> frozenset[str]:
        """Whom to ask last. Who wants the first byte again after having had the last one has found the bytes wrong."""
        told = self._of(blob)
        if offset == 0 and told.whole:
            told.doubted |= told.given
            told.whole = False
        return self.avoided() | told.doubted

    def heard(self, blob: Descriptor, host: str, stream: Stream) -> Stream:
        """The same stream, listened to. A host that gives nothing but its headers is doubted, too."""
        told = self._of(blob)
        if stream.start == 0:
            told.given.clear()
        told.given.add(host)

        def chunks() -> Iterator[bytes]:
            at = stream.start
            try:
                for chunk in stream.chunks:
                    at += len(chunk)
                    told.whole = at >= blob.size
                    yield chunk
            except ProvisionError:
                told.doubted |= {host} if at == stream.start else set()
                raise
            told.doubted |= {host} if at == stream.start else set()

        return Stream(stream.start, chunks())
