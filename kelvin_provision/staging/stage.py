"""Stage: everything a revision needs is resolved, downloaded, verified and in the runtime. What runs is not touched."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from kelvin_provision.errors import DigestMismatch, ProvisionError, TransferStopped
from kelvin_provision.events import Advanced, Event, Finished, Progress, Started
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model import Revision
from kelvin_provision.ledger.staging_state import Downloading, Progressed, Ready, Resolving, of_error
from kelvin_provision.quantity import NO_HEADROOM, Headroom
from kelvin_provision.refs import Reference
from kelvin_provision.registry.protocol import Source
from kelvin_provision.retry import Backoff
from kelvin_provision.runtimes.protocol import Runtime
from kelvin_provision.spec.images import images_of
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.staging import origins, space
from kelvin_provision.staging.background import run_at_low_priority
from kelvin_provision.staging.download import fetch, resolved
from kelvin_provision.staging.limits.limits import TransferLimits
from kelvin_provision.staging.local_blobs import ingest_local_blobs
from kelvin_provision.staging.transfer import Transfer
from kelvin_provision.store import Store

PATIENCE = Backoff(first=0.5, cap=10.0, deadline=30.0)
"""How long one turn tries before others get theirs; the agent comes back for as long as it takes."""


def run(
    revision: Revision,
    *,
    ledger: Ledger,
    store: Store,
    source: Source,
    runtime: Runtime,
    progress: Progress,
    stop: Callable[[], bool],
    limits: TransferLimits | None = None,
    headroom: Headroom = NO_HEADROOM,
    backoff: Backoff = PATIENCE,
) -> bool:
    """One turn at staging; True when it is ready.

    A temporary error leaves the state as it is, with the cause in `download_error`, for the next turn. A permanent one
    blocks the revision. Raises TransferStopped when `stop` says so or the revision is no longer wanted.
    """
    unwanted = _every_second(lambda: not ledger.staged_now(revision), stop)
    try:
        with ExitStack() as held:
            locks = held.enter_context(_locks(revision, ledger, store, source, runtime))
            held.enter_context(space.reserved(revision, locks, ledger=ledger, store=store, runtime=runtime, headroom=headroom))
            # The cause of the last try stays to be seen until there is news.
            ledger.advance(revision, Downloading())
            heard = _gladly(progress, lambda: ledger.advance(revision, Progressed())) if revision.cause else progress
            transfer = Transfer(source, store, heard, unwanted, backoff, limits or TransferLimits())

            def bring() -> None:
                with origins.recorded(ledger, revision, locks, store):
                    run_at_low_priority(lambda: ingest_local_blobs(runtime, store, locks, progress=progress, stop=unwanted))
                fetch(transfer, locks)

            bring()
            try:
                run_at_low_priority(lambda: _import_all(locks, store, runtime, progress))
            except DigestMismatch:
                # The disk has changed under a blob that we had verified: the wrong one is quarantined, and downloaded again.
                wrong = [blob for lock in locks for blob in lock.blobs() if not store.verify(blob)]
                if not wrong:
                    raise
                bring()
                run_at_low_priority(lambda: _import_all(locks, store, runtime, progress))
    except TransferStopped:
        raise
    except ProvisionError as error:
        if not ledger.staged_now(revision):
            return False
        ledger.advance(revision, of_error(error))
        return False
    os.sync()  # containerd and Docker write behind our back: only what the disk has is ready
    ledger.advance(revision, Ready())
    return True


def _gladly(progress: Progress, good_news: Callable[[], object]) -> Progress:
    """`progress`, and `good_news` once, with the first bytes."""
    told = False

    def heard(event: Event) -> None:
        nonlocal told
        if isinstance(event, Advanced) and not told:
            told = True
            good_news()
        progress(event)

    return heard


def _every_second(question: Callable[[], bool], stop: Callable[[], bool]) -> Callable[[], bool]:
    """`stop` at every call, the dearer question once a second: transfers ask for each chunk, from several threads."""
    asked, answer = 0.0, False

    def unwanted() -> bool:
        nonlocal asked, answer
        if time.monotonic() - asked > 1.0:
            asked, answer = time.monotonic(), question()
        return answer or stop()

    return unwanted


@contextmanager
def _locks(revision: Revision, ledger: Ledger, store: Store, source: Source, runtime: Runtime) -> Iterator[tuple[ImageLock, ...]]:
    """What to bring. Nothing of it is collected while the block runs: not before the ledger knows it, not between download and import."""
    if revision.locks is not None:
        with store.lease(revision.locks):
            yield revision.locks
        return
    ledger.advance(revision, Resolving())
    references = [Reference.parse(text) for text in images_of(revision.spec)]
    with resolved(source, store, references, runtime.info().platform) as locks:
        for lock in locks:
            runtime.check(lock)
        ledger.set_locks(revision, locks)
        yield locks


def _import_all(locks: Sequence[ImageLock], store: Store, runtime: Runtime, progress: Progress) -> None:
    for lock in locks:
        put_in_runtime(lock, store, runtime, progress)
        store.tag(lock)


def put_in_runtime(lock: ImageLock, store: Store, runtime: Runtime, progress: Progress) -> None:
    """Import an image that the runtime lacks, and pin it either way."""
    if runtime.has(lock):
        runtime.pin(lock)
        return
    task = str(lock.reference)
    progress(Started(task, "importing"))
    runtime.load(lock, store.path)
    progress(Finished(task, "imported"))


def put_back(
    locks: Sequence[ImageLock], store: Store, runtime: Runtime, progress: Progress
) -> tuple[tuple[ImageLock, ...], tuple[ImageLock, ...]]:
    """Bring images back that somebody removed from the runtime: those, and those that cannot be, because the store lacks them too."""
    back, missing = [], []
    for lock in locks:
        if runtime.has(lock):
            runtime.pin(lock)
        elif all(store.has(blob) for blob in lock.blobs()):
            put_in_runtime(lock, store, runtime, progress)
            back.append(lock)
        else:
            missing.append(lock)
    return tuple(back), tuple(missing)


def absent(locks: Sequence[ImageLock], store: Store, runtime: Runtime) -> tuple[tuple[ImageLock, ...], tuple[ImageLock, ...]]:
    """What `put_back` would bring back, and what it could not. Only looks."""
    gone = [lock for lock in locks if not runtime.has(lock)]
    whole = {lock.name for lock in gone if all(store.has(blob) for blob in lock.blobs())}
    return tuple(lock for lock in gone if lock.name in whole), tuple(lock for lock in gone if lock.name not in whole)
