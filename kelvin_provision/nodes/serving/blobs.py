"""Blobs by digest, read-only, as the OCI distribution protocol has them: with ranges, and while they still arrive.

A blob that this node is downloading is sent as it grows: so a chain of members gets an image in little more than the time of one. What is
sent like that was not verified yet; the node that receives it verifies it.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress

from kelvin_provision.refs import DIGEST, Descriptor
from kelvin_provision.serving.messages import Answer, Refused, Request
from kelvin_provision.staging.limits.rate import RateLimit
from kelvin_provision.store import Store

PIECE = 64 << 10
STREAMS, PER_CLIENT = 16, 4
STARTING, STALLED = 15.0, 30.0
"""Seconds in which a blob must begin to arrive here, and in which it must go on."""
LOOK = 0.05
CHECK = 5.0
"""Seconds after which it is asked whether a client may still have the rest."""
Still = Callable[[], Awaitable[bool]]
_PATH = re.compile(rf"/v2/[a-z0-9./_-]{{1,255}}/(?:blobs|manifests)/({DIGEST})")
_RANGE = re.compile(r"bytes=([0-9]{1,15})-([0-9]{1,15})?")


def digest_in(target: str) -> str | None:
    """The digest that a path asks for; None for another path."""
    match = _PATH.fullmatch(target.partition("?")[0])
    return match[1] if match else None


class BlobServer:
    """Of one store. `sent` counts bytes, for measurements and for people."""

    def __init__(
        self, store: Store, rate: int | None = None, *, starting: float = STARTING, stalled: float = STALLED, check: float = CHECK
    ) -> None:
        self._store, self._rate = store, RateLimit(rate)
        self._starting, self._stalled, self._check = starting, stalled, check
        self._streams: Counter[str] = Counter()
        self.sent = 0

    @property
    def streams(self) -> int:
        """How many are sent now."""
        return self._streams.total()

    def limit(self, rate: int | None) -> None:
        self._rate = RateLimit(rate)

    async def answer(self, request: Request, client: str, allowed: Mapping[str, Descriptor], still: Still) -> Answer:
        """Raises Refused, also for a blob that is not for this client: it cannot tell whether that is here.

        `still` says whether the client may have the rest: one that is removed meanwhile gets no more.
        """
        digest = digest_in(request.target)
        blob = allowed.get(digest) if digest else None
        if blob is None or digest is None:
            raise Refused(404)
        first, last = _range(request.headers.get("range"), blob.size)
        headers = {"Content-Type": blob.media_type or "application/octet-stream", "Docker-Content-Digest": digest, "Accept-Ranges": "bytes"}
        if (first, last) != (0, blob.size - 1):
            headers["Content-Range"] = f"bytes {first}-{last}/{blob.size}"
        size = last - first + 1
        status = 206 if "Content-Range" in headers else 200
        if request.method == "HEAD":
            return Answer(status, headers=headers, size=size)
        if self._streams.total() >= STREAMS or self._streams[client] >= PER_CLIENT:
            raise Refused(503, headers={"Retry-After": "1"})
        self._streams[client] += 1
        try:
            descriptor = await self._opened(blob)
        except BaseException:
            self._end(client)
            raise

        def close() -> None:
            os.close(descriptor)
            self._end(client)

        return Answer(status, headers=headers, size=size, pieces=self._pieces(descriptor, first, size, still), close=close)

    async def _opened(self, blob: Descriptor) -> int:
        """A descriptor of the blob, or of its partial download, which may begin in a moment. Raises Refused."""
        until = time.monotonic() + self._starting
        while True:
            for path in (self._store.path(blob), self._store.layout.partial(blob.digest)):
                with suppress(OSError):
                    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
            if time.monotonic() >= until:
                raise Refused(404, headers={"Retry-After": "2"})
            await asyncio.sleep(LOOK)

    async def _pieces(self, descriptor: int, first: int, size: int, still: Still) -> AsyncIterator[bytes]:
        """Ends early where the blob does not go on, or its client may not have it any more."""
        at, end, moved = first, first + size, time.monotonic()
        checked = moved
        while at < end:
            if time.monotonic() - checked >= self._check:
                checked = time.monotonic()
                if not await still():
                    return
            piece = os.pread(descriptor, min(PIECE, end - at), at)
            if piece:
                at, moved = at + len(piece), time.monotonic()
                self.sent += len(piece)
                yield piece
                await asyncio.sleep(self._rate.delay_after(len(piece)))
            elif time.monotonic() - moved > self._stalled or _is_over(descriptor, at):
                return
            else:
                await asyncio.sleep(LOOK)

    def _end(self, client: str) -> None:
        self._streams[client] -= 1
        if self._streams[client] <= 0:
            del self._streams[client]


def _is_over(descriptor: int, at: int) -> bool:
    """Whether this file will not grow: it was removed, or started from the beginning."""
    status = os.fstat(descriptor)
    return status.st_nlink == 0 or status.st_size < at


def _range(text: str | None, size: int) -> tuple[int, int]:
    """First and last byte. Raises Refused."""
    if text is None:
        return 0, size - 1
    match = _RANGE.fullmatch(text)
    if match is None:
        return 0, size - 1  # RFC 9110: what is not understood is ignored
    first, last = int(match[1]), min(int(match[2] or size - 1), size - 1)
    if first > last:
        raise Refused(416, headers={"Content-Range": f"bytes */{size}"})
    return first, last
