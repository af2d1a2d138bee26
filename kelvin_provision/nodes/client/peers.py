"""Blobs from the others: the site's mirror, peers in the order that the leader says, the leader last.

One that fails is asked last for a while, and so is a peer that sends next to nothing: the leader is there for all. One that sent a blob to
its end which is then asked for again from its first byte sent wrong bytes: the leader is asked before it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager

from kelvin_provision.errors import ImageNotFound, LeaderUnreachable, NodeForeign, ProvisionError, RegistryUnreachable
from kelvin_provision.nodes.client.link import Link
from kelvin_provision.nodes.protocol import LEADER, Wanted
from kelvin_provision.refs import Descriptor, Platform, Reference
from kelvin_provision.registry.protocol import DeltaOffers, Resolved, SignatureDocuments, Stream
from kelvin_provision.spec.media_types import ANYTHING, ImageSupport

PENALTY = 30.0
CHUNK = 256 << 10
LEAST, WINDOW, SLOW = 4096, 30.0, 600.0
"""Bytes per second that a peer has to send over so many seconds of waiting, or else it is asked last for the third."""
SHARES = 64
"""Of a limited rate one stream may get no more than this part."""
SITE = "nodes.source"
"""Stands for the site's mirror among the sources."""
OpenBlob = Callable[[Reference, Descriptor, int], AbstractContextManager[Stream]]


class PeerBlobs:
    """A `Blobs` for the images of one document. Safe for several threads. `link_of` makes a link to a node by its name."""

    def __init__(
        self, document: Wanted, link_of: Callable[[str], Link], site: OpenBlob | None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._link_of, self._site, self._clock = link_of, site, clock
        self._least = LEAST if document.rate is None else min(LEAST, document.rate // SHARES)
        self._sources = {blob.digest: image.sources for image in document.images for blob in image.lock.blobs()}
        self._lock = threading.Lock()
        self._failed: dict[str, float] = {}
        self._delivered: dict[str, str] = {}

    def resolve(self, reference: Reference, platform: Platform, support: ImageSupport = ANYTHING) -> Resolved:  # noqa: ARG002  (the protocol's signature)
        """A member resolves nothing: its leader has, and says by which digests."""
        raise ImageNotFound(f"{reference}: a member resolves no names", hint="deploy on the leader")

    def signatures(self, reference: Reference, digest: str) -> SignatureDocuments:  # noqa: ARG002  (the protocol's signature)
        """The leader has verified them before it named the image."""
        return SignatureDocuments()

    def deltas(self, reference: Reference, image: Descriptor) -> DeltaOffers:  # noqa: ARG002  (the protocol's signature)
        """Bytes inside the site cost nothing."""
        return DeltaOffers()

    @contextmanager
    def blob(self, reference: Reference, blob: Descriptor, offset: int) -> Iterator[Stream]:
        """See `Blobs.blob`."""
        with ExitStack() as stack:
            source, stream = self._first(stack, reference, blob, offset)
            yield Stream(stream.start, self._observed(source, blob, stream))

    def _first(self, stack: ExitStack, reference: Reference, blob: Descriptor, offset: int) -> tuple[str, Stream]:
        trouble: list[str] = []
        for source in self._order(blob, offset):
            try:
                from_site = self._site if source == SITE else None
                opened = from_site(reference, blob, offset) if from_site else self._opened(source, reference, blob, offset)
                return source, stack.enter_context(opened)
            except ProvisionError as error:
                self._note_failure(source)
                trouble.append(f"{source or 'leader'}: {error}")
        raise RegistryUnreachable(f"no node has {blob.digest} now", hint="it is tried again", evidence=trouble)

    def _order(self, blob: Descriptor, offset: int) -> Sequence[str]:
        now = self._clock()
        with self._lock:
            wrong = self._delivered.pop(blob.digest, None) if offset == 0 else None
            last = {name for name, until in self._failed.items() if until > now}
        named = self._sources.get(blob.digest, (LEADER,))
        line = (*((SITE,) if self._site else ()), *named)
        if wrong is not None:
            return (LEADER, *(source for source in line if source not in {LEADER, wrong}), *([wrong] if wrong != LEADER else []))
        return sorted(line, key=lambda source: source in last)

    @contextmanager
    def _opened(self, source: str, reference: Reference, blob: Descriptor, offset: int) -> Iterator[Stream]:
        path = f"/v2/{reference.repository}/blobs/{blob.digest}"
        headers = {"Range": f"bytes={offset}-{blob.size - 1}"} if offset else {}
        with self._link_of(source).stream(path, headers, CHUNK) as (status, answered, chunks):
            if answered.get("content-length") != str(blob.size - offset) or status != (206 if offset else 200):
                raise LeaderUnreachable(f"{source or 'the leader'} sends {blob.digest} with another length")
            yield Stream(offset, chunks)

    def _observed(self, source: str, blob: Descriptor, stream: Stream) -> Iterator[bytes]:
        received = stream.start
        try:
            for chunk in self._hurried(source, stream.chunks):
                received += len(chunk)
                if received >= blob.size:
                    with self._lock:
                        self._delivered[blob.digest] = source
                yield chunk
        except (LeaderUnreachable, NodeForeign) as error:
            self._note_failure(source)
            raise RegistryUnreachable(str(error)) from error
        if received < blob.size:
            self._note_failure(source)

    def _hurried(self, source: str, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Raises RegistryUnreachable for a peer that is too slow. Only the time that it is waited for counts."""
        waited, received, began = 0.0, 0, self._clock()
        for chunk in chunks:
            waited, received = waited + self._clock() - began, received + len(chunk)
            yield chunk
            if waited >= WINDOW and source not in {LEADER, SITE}:
                if received < self._least * waited:
                    self._note_failure(source, SLOW)
                    raise RegistryUnreachable(f"node {source} sent only {received} bytes in {waited:.0f} seconds")
                waited, received = 0.0, 0
            began = self._clock()

    def _note_failure(self, source: str, seconds: float = PENALTY) -> None:
        with self._lock:
            self._failed[source] = max(self._failed.get(source, 0.0), self._clock() + seconds)
