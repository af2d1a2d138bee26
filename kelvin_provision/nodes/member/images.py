"""One image onto this member: room for it, the bytes that are missing, from the runtime, peers or the leader, and into the runtime."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kelvin_provision.errors import DigestMismatch, RuntimeUnreachable
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.quantity import Headroom
from kelvin_provision.runtimes.protocol import ImageStorage
from kelvin_provision.spec.identity import is_among
from kelvin_provision.staging import space
from kelvin_provision.staging.background import run_at_low_priority
from kelvin_provision.staging.download import fetch
from kelvin_provision.staging.importing import put_in_runtime
from kelvin_provision.staging.local_blobs import ingest_local_blobs
from kelvin_provision.staging.transfer import Transfer
from kelvin_provision.store.space import SpaceRequest, admit, shortages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kelvin_provision.events import Progress
    from kelvin_provision.registry.protocol import Blobs
    from kelvin_provision.retry import Backoff
    from kelvin_provision.runtimes.protocol import Runtime
    from kelvin_provision.spec.lock import ImageLock
    from kelvin_provision.store import Store


@dataclass(frozen=True)
class Tools:
    """`others` are the images that the member keeps besides: what they share with a new one needs no room."""

    store: Store
    runtime: Runtime
    source: Blobs
    progress: Progress
    stop: Callable[[], bool]
    headroom: Headroom
    backoff: Backoff
    others: Sequence[ImageLock] = ()


def is_whole(lock: ImageLock, store: Store) -> bool:
    """Whether every blob is stored and verified; one that was changed since is quarantined, and missing from then on."""
    missing = [blob for blob in lock.blobs() if not store.has(blob)]  # each is looked at: all wrong ones are found at once
    return not missing


def bring(lock: ImageLock, tools: Tools, *, into_runtime: bool) -> None:
    """All of it is here when this returns. May be cut off and repeated anywhere; what has arrived is kept.

    Raises NoSpace before a byte is fetched, TransferStopped, and what the sources, the runtime and the disk raise.
    """
    tools.runtime.check(lock)
    with tools.store.lease([lock]), _reserved(lock, tools):
        _complete(lock, tools)
        if not into_runtime:
            return
        try:
            run_at_low_priority(lambda: _into_runtime(lock, tools))
        except DigestMismatch:
            # The disk has changed under a blob that we had verified: it is quarantined, and fetched again.
            corrupt = [blob for blob in lock.blobs() if not tools.store.verify(blob)]
            if not corrupt:
                raise
            _complete(lock, tools)
            run_at_low_priority(lambda: _into_runtime(lock, tools))
        tools.runtime.sync()  # runtimes write behind our back: only what the disk has is here


def _complete(lock: ImageLock, tools: Tools) -> None:
    """What the runtime has already is not fetched."""
    if is_whole(lock, tools.store):
        return
    run_at_low_priority(lambda: ingest_local_blobs(tools.runtime, tools.store, [lock], progress=tools.progress, stop=tools.stop))
    fetch(Transfer(tools.source, tools.store, tools.progress, tools.stop, tools.backoff), [lock])


def _into_runtime(lock: ImageLock, tools: Tools) -> None:
    put_in_runtime(lock, tools.store, tools.runtime, tools.progress)
    tools.store.tag(lock)


@contextmanager
def _reserved(lock: ImageLock, tools: Tools) -> Iterator[None]:
    store, runtime = tools.store, tools.runtime
    try:
        keeping, owned = runtime.storage(), runtime.owned()
    except RuntimeUnreachable:
        keeping, owned = ImageStorage(), frozenset()
    loaded = [other for other in tools.others if is_among(other, owned)]
    filesystems = space.survey(store.root, keeping, tools.headroom)
    requests = space.space_requests([lock], filesystems, present=store.bytes_present, loaded=loaded)

    def check(others: Sequence[SpaceRequest]) -> None:
        lacking = shortages(filesystems.all(), requests, admit(filesystems.all(), others, ()))
        space.refuse_shortages(str(lock.reference), lacking, hint="free some space; it continues by itself, and nothing was lost")

    with store.reserve(requests, check):
        yield
