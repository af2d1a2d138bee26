"""Which hosts to try last: those whose bytes made a corrupt blob, that returned none or hardly any, or
that took long to fail.

So no mirror prevents the download of an image that the registry has. In memory, per process.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from kelvin_provision.errors import ProvisionError
from kelvin_provision.refs import Descriptor
from kelvin_provision.registry.protocol import Stream

MAX_BLOBS = 1000
SLOW_FAILURE = 1.0
"""Seconds after which a failure counts as slow: a host that drops packets takes ten each time."""
PENALTY = 30.0
"""Seconds for which a host is tried last after a slow failure."""


@dataclass
class _BlobHistory:
    """Which hosts sent bytes since the first byte, which are suspect, and whether the last byte was received."""

    senders: set[str] = field(default_factory=set)
    suspects: set[str] = field(default_factory=set)
    complete: bool = False
    corrupt: bool = False
    """Whether it was wrong once: the next place to ask is the registry itself, whatever other mirrors there are."""


class MirrorHealth:
    """Several threads may use it, each for other blobs."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, slow_failure: float = SLOW_FAILURE) -> None:
        self._clock = clock
        self._slow_failure = slow_failure
        self._penalties: dict[str, float] = {}
        self._blobs: dict[str, _BlobHistory] = {}
        self._lock = threading.Lock()

    def _history(self, blob: Descriptor) -> _BlobHistory:
        with self._lock:
            history = self._blobs.setdefault(blob.digest, _BlobHistory())
            if len(self._blobs) > MAX_BLOBS:
                self._blobs.pop(next(iter(self._blobs)))
            return history

    def record_failure(self, host: str, seconds: float) -> None:
        """The host failed without an answer after so many seconds."""
        if seconds >= self._slow_failure:
            self._penalties[host] = self._clock() + PENALTY

    def penalized(self) -> frozenset[str]:
        """The hosts that failed slowly of late."""
        now = self._clock()
        return frozenset(host for host, until in list(self._penalties.items()) if until > now)

    def try_last(self, blob: Descriptor, offset: int) -> frozenset[str]:
        """The hosts to try last for this blob. A caller that starts at 0 after the last byte was received has found it corrupt."""
        history = self._history(blob)
        if offset == 0 and history.complete:
            history.suspects |= history.senders
            history.complete, history.corrupt = False, True
        return self.penalized() | history.suspects

    def was_corrupt(self, blob: Descriptor) -> bool:
        """Whether all bytes of this blob were received and were wrong."""
        return self._history(blob).corrupt

    def observed(self, blob: Descriptor, host: str, stream: Stream) -> Stream:
        """The same stream, observed. A host that sends headers and no byte becomes suspect, too."""
        history = self._history(blob)
        if stream.start == 0:
            history.senders.clear()
        history.senders.add(host)

        def chunks() -> Iterator[bytes]:
            offset = stream.start
            try:
                for chunk in stream.chunks:
                    offset += len(chunk)
                    history.complete = offset >= blob.size
                    yield chunk
            except ProvisionError as error:
                history.suspects |= {host} if offset == stream.start or getattr(error, "slow", False) else set()
                raise
            history.suspects |= {host} if offset == stream.start else set()

        return Stream(stream.start, chunks())
