"""Stage: everything a revision needs is resolved, downloaded, verified and in the runtime. What runs is not touched."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace

from kelvin_provision.errors import DigestMismatch, MediumGone, NoSpace, ProvisionError, TransferStopped
from kelvin_provision.events import Progress
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model.workloads import Revision
from kelvin_provision.ledger.staging_state import Downloading, Ready, Resolving, Waiting, of_error
from kelvin_provision.quantity import NO_HEADROOM, Headroom
from kelvin_provision.refs import Platform, Reference
from kelvin_provision.registry.protocol import Blobs, Media
from kelvin_provision.retry import Backoff
from kelvin_provision.runtimes.protocol import Runtime
from kelvin_provision.settings.model import TrustSettings
from kelvin_provision.spec.deltas import DeltaMode
from kelvin_provision.spec.images import images_of
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.staging import origins, space
from kelvin_provision.staging.background import run_at_low_priority
from kelvin_provision.staging.deltas.layers import LayerDeltas
from kelvin_provision.staging.deltas.planning import DeltaTools
from kelvin_provision.staging.download import fetch, resolved
from kelvin_provision.staging.importing import put_in_runtime, refuse_digests
from kelvin_provision.staging.limits.limits import TransferLimits
from kelvin_provision.staging.local_blobs import ingest_local_blobs
from kelvin_provision.staging.media import MediaTrouble, NoMedia, WithMedia, copy_from_media, when_changed
from kelvin_provision.staging.signatures import judging
from kelvin_provision.staging.transfer import Transfer
from kelvin_provision.staging.trouble import Trouble
from kelvin_provision.store import Store
from kelvin_provision.timings import Timings
from kelvin_provision.trust.believed import Trust


@dataclass(frozen=True)
class StagingTools:
    """What staging works with. `stop` turns true when the work is to end; what was downloaded is kept."""

    ledger: Ledger
    store: Store
    source: Blobs
    runtime: Runtime
    progress: Progress
    stop: Callable[[], bool]
    limits: TransferLimits = field(default_factory=TransferLimits)
    headroom: Headroom = NO_HEADROOM
    backoff: Backoff = field(default_factory=lambda: Timings().staging)
    media: Media = field(default_factory=NoMedia)
    deltas: DeltaMode = DeltaMode.AUTO
    deltas_from_media: bool = True
    trust: Trust = field(default_factory=lambda: Trust(TrustSettings()))
    outcome: Callable[[Revision], Ready | Waiting] = lambda _: Ready()
    """What is recorded when all of a revision is on this box."""
    placed: Callable[[Revision, Sequence[ImageLock]], None] = lambda _revision, _locks: None
    """Called as soon as the images are known, so that other nodes can begin."""
    others: Callable[[Revision, Platform], Sequence[Platform]] = lambda _revision, _own: ()
    """Of which other platforms nodes are that may run it; the second argument is that of this box."""
    refuse_revoked: Callable[[Revision, Sequence[ImageLock]], None] = lambda _revision, _locks: None
    """Raises VersionRevoked. Asked as soon as the images are known."""


def run(revision: Revision, tools: StagingTools) -> bool:
    """One turn at staging; True when it is ready.

    An error is recorded with the revision: a temporary one is a reason to wait, a permanent one blocks it. Raises TransferStopped
    when `stop` says so or the revision is not staged any more.
    """
    ledger = tools.ledger
    tools = replace(tools, stop=_at_most_every_second(lambda: not ledger.staged_now(revision), tools.stop))
    try:
        _bring_here(revision, tools)
    except TransferStopped:
        raise
    except ProvisionError as error:
        if ledger.staged_now(revision):
            ledger.advance(revision, of_error(error))
        return False
    tools.runtime.sync()  # runtimes write behind our back: only what the disk has is ready
    ledger.advance(revision, tools.outcome(revision))
    return True


def _bring_here(revision: Revision, tools: StagingTools) -> None:
    with ExitStack() as stack:
        locks = stack.enter_context(_leased_locks(revision, tools))
        tools.refuse_revoked(revision, locks)
        judging.require(locks, _signature_tools(revision, tools))  # before a layer is downloaded in vain
        tools.placed(revision, locks)
        deltas = LayerDeltas(locks, _delta_tools(tools))
        repairs: bool | None = True
        while repairs is not None:
            repairs = _attempt(revision, locks, deltas, tools, repairs=repairs)


def _attempt(revision: Revision, locks: Sequence[ImageLock], deltas: LayerDeltas, tools: StagingTools, *, repairs: bool) -> bool | None:
    """None when all is here. Else something could not be used, and is left out of the next attempt, which may repair or not."""
    ledger, store, runtime = tools.ledger, tools.store, tools.runtime
    deltas.plan()
    with deltas.reserved(lambda: space.reserved(revision, locks, ledger=ledger, store=store, runtime=runtime, headroom=tools.headroom)):
        ledger.advance(revision, Downloading())
        try:
            _download(revision, locks, deltas, tools)
        except TransferStopped:
            raise
        except ProvisionError as error:
            if not deltas.give_up(error):
                raise
            return repairs
        if not run_at_low_priority(deltas.rebuild):
            return repairs
        try:
            run_at_low_priority(lambda: _import_all(locks, tools))
        except DigestMismatch:
            # The disk has changed under a blob that we had verified: it is quarantined, and downloaded again.
            corrupt = [blob for lock in locks for blob in store.kept(lock) if not store.verify(blob)]
            if not corrupt or not repairs:
                raise
            return False
    return None


def _download(revision: Revision, locks: Sequence[ImageLock], deltas: LayerDeltas, tools: StagingTools) -> None:
    """What other programs on this box have already, and what is on a medium, is not downloaded."""
    with origins.recorded(tools.ledger, revision, locks, tools.store):
        run_at_low_priority(lambda: ingest_local_blobs(tools.runtime, tools.store, locks, progress=tools.progress, stop=tools.stop))
    progress = Trouble(tools.progress, lambda event: tools.ledger.advance(revision, event), known=True)
    done, downloads = False, deltas.downloads()
    while not done:
        with origins.recorded(tools.ledger, revision, locks, tools.store, from_media=True):
            trouble = run_at_low_priority(lambda: copy_from_media(tools.media, tools.store, downloads, progress=progress, stop=tools.stop))
        done = _download_rest(revision, downloads, tools, trouble)


def _download_rest(revision: Revision, locks: Sequence[ImageLock], tools: StagingTools, trouble: MediaTrouble | None) -> bool:
    """False when a medium came meanwhile. With `trouble` of one, the registry is asked once: what is waited for then is the medium."""
    if isinstance(trouble, MediumGone):
        tools.ledger.advance(revision, of_error(trouble))
    progress = Trouble(tools.progress, lambda event: tools.ledger.advance(revision, event), known=bool(revision.cause or trouble))
    changed = when_changed(tools.media)
    backoff = replace(tools.backoff, deadline=0.0) if trouble else tools.backoff
    transfer = Transfer(tools.source, tools.store, progress, lambda: tools.stop() or changed(), backoff, tools.limits)
    try:
        fetch(transfer, locks)
    except TransferStopped:
        if tools.stop():
            raise
        return False
    except NoSpace:
        raise
    except ProvisionError as error:
        if trouble is None:
            raise
        trouble.blob = error.blob
        raise trouble from error
    return True


def _at_most_every_second(predicate: Callable[[], bool], stop: Callable[[], bool]) -> Callable[[], bool]:
    """Whether either is true; `predicate` is asked once a second: transfers ask for each chunk, from several threads."""
    last, result = 0.0, False

    def either() -> bool:
        nonlocal last, result
        if time.monotonic() - last > 1.0:
            last, result = time.monotonic(), predicate()
        return result or stop()

    return either


@contextmanager
def _leased_locks(revision: Revision, tools: StagingTools) -> Iterator[tuple[ImageLock, ...]]:
    """Nothing of these images is collected while the block runs: not before the ledger has the locks, not between download and import."""
    if revision.locks is not None:
        with tools.store.lease(revision.locks):
            yield revision.locks
        return
    tools.ledger.advance(revision, Resolving())
    references = list(dict.fromkeys(Reference.parse(text) for text in images_of(revision.spec)))
    info = tools.runtime.info()
    refuse_digests(revision.spec, info)
    source = WithMedia(tools.source, tools.media, revision.bundle)
    others = tools.others(revision, info.platform)
    with resolved(source, tools.store, references, info.platform, info.support, others=others) as locks:
        for lock in locks:
            tools.runtime.check(lock)
        tools.ledger.set_locks(revision, locks)
        judging.notice(locks, _signature_tools(revision, tools))
        yield locks


def _signature_tools(revision: Revision, tools: StagingTools) -> judging.SignatureTools:
    bundled = revision.bundle is not None
    return judging.SignatureTools(tools.ledger, tools.store, tools.source, tools.media, tools.trust, bundled=bundled)


def _delta_tools(tools: StagingTools) -> DeltaTools:
    given = (tools.ledger, tools.store, tools.source, tools.media, tools.runtime, tools.progress, tools.stop)
    return DeltaTools(*given, tools.deltas, tools.deltas_from_media)


def _import_all(locks: Sequence[ImageLock], tools: StagingTools) -> None:
    for lock in locks:
        put_in_runtime(lock, tools.store, tools.runtime, tools.progress)
        tools.store.tag(lock)
