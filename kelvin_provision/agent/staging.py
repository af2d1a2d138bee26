"""One turn at staging one revision, and what the log says of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace

from kelvin_provision.applying import trial
from kelvin_provision.context import Context
from kelvin_provision.errors import ProvisionError, TransferStopped
from kelvin_provision.events import Note
from kelvin_provision.files.durable import system_errors
from kelvin_provision.ledger import history
from kelvin_provision.ledger.model.operations import Entry
from kelvin_provision.ledger.model.workloads import Revision
from kelvin_provision.ledger.staging_state import Ready, Received, Waiting, reason_of
from kelvin_provision.nodes.where import spreading
from kelvin_provision.nodes.where.platforms import other_platforms
from kelvin_provision.nodes.where.site import members
from kelvin_provision.refs import Descriptor, Platform, Reference
from kelvin_provision.registry.protocol import Blobs, DeltaOffers, Resolved, SignatureDocuments, Stream
from kelvin_provision.rehearsing.orders import order_of
from kelvin_provision.spec.deltas import DeltaMode
from kelvin_provision.spec.enums import Download
from kelvin_provision.spec.lock import ImageLock, every_variant
from kelvin_provision.spec.media_types import ANYTHING, ImageSupport
from kelvin_provision.staging import revocation, stage
from kelvin_provision.staging.image_names import names_here
from kelvin_provision.staging.limits.limits import TransferLimits
from kelvin_provision.staging.signatures.judging import counted, may_count_now
from kelvin_provision.staging.stage import StagingTools
from kelvin_provision.staging.threads import run_abandonable
from kelvin_provision.trust.documents.model import Role
from kelvin_provision.trust.policy import required
from kelvin_provision.trust.roles import image_role
from kelvin_provision.wait_reason import WaitKind, WaitReason, describe


def stage_revision(revision: Revision, limits: TransferLimits, stop: Callable[[], bool], ctx: Context) -> WaitReason | None:
    """Stage it as far as it goes now; returns what it waits for.

    What keeps it is recorded with it, and logged when it is news; nothing of that is raised. Raises TransferStopped.
    """
    if revision.cause is None:
        # Once, not at every retry of a box that is offline for weeks, which would fill the log.
        ctx.progress(Note(f"staging {revision.workload}: {revision.spec.app_name} {revision.spec.app_version}"))
    try:
        tools = _tools(ctx, limits, stop)
        with system_errors():
            if still := _still_lacking(revision, ctx):
                ctx.ledger.advance(revision, Waiting(still))
                return still
            done = stage.run(revision, tools)
    except TransferStopped:
        raise  # the caller knows why
    except ProvisionError as error:
        # Errors of the download itself are recorded by staging. This is the box: no runtime, no store, a disk that cannot be read. The
        # revision waits, and the other workloads go on.
        reason = reason_of(error)
        ctx.ledger.advance(revision, Waiting(reason))
        if describe(reason) != revision.cause:
            ctx.progress(Note(f"staging {revision.workload} waits: {error}"))
        return reason
    workload = ctx.ledger.existing([revision.workload]).get(revision.workload)
    current = workload.staged if workload else None
    summary = _record_deltas(current, ctx) if done and current and current.number == revision.number else ""
    if current and current.blocked:
        trial.after_failure(current, ctx)
    state = "ready" if done and not (current and current.cause) else current.cause if current else "replaced"
    if state != revision.cause:
        ctx.progress(Note(f"staging {revision.workload}: {state}{f' ({summary})' if summary else ''}"))
    return current.waiting if current else None


def _tools(ctx: Context, limits: TransferLimits, stop: Callable[[], bool]) -> StagingTools:
    return StagingTools(
        ctx.ledger,
        ctx.store,
        _InterruptibleSource(ctx.source, stop),
        ctx.runtime,
        ctx.progress,
        stop,
        limits=limits,
        media=ctx.media,
        headroom=ctx.settings.download.keep_free,
        backoff=ctx.timings.staging,
        deltas=delta_mode(ctx),
        deltas_from_media=not members(ctx),
        trust=ctx.trust,
        outcome=lambda complete: _outcome(complete, ctx),
        refuse_revoked=lambda known, locks: _refuse_revoked(known, locks, ctx),
        placed=lambda known, locks: _place(known, locks, ctx),
        others=lambda known, own: other_platforms(ctx, known, own),
    )


def _record_deltas(revision: Revision, ctx: Context) -> str:
    """What deltas did for it, which is also a line of the history; empty where there was none."""
    uses = ((lock.reference, ctx.store.deltas.use(lock)) for lock in revision.locks or ())
    summary = "; ".join(f"{reference}: {use.text}" for reference, use in uses if use)
    if summary:
        history.record(ctx.ledger, Entry(ctx.ledger.clock(), ctx.actor, "stage", revision.workload, revision.number, "ready", summary))
    return summary


def _refuse_revoked(revision: Revision, locks: Sequence[ImageLock], ctx: Context) -> None:
    """The documents of the images are in the store by now. Raises VersionRevoked."""
    trust = ctx.trust
    names = names_here(trust, lambda: ctx.store, ctx.ledger)
    revocation.refuse(revision.spec, revocation.why_revoked(trust, revision, locks, names))


def delta_mode(ctx: Context) -> DeltaMode:
    """A layer that was rebuilt is not the one that is published, which members fetch by its digest: for them all come whole."""
    return DeltaMode.OFF if members(ctx) else DeltaMode(ctx.settings.download.deltas)


def _still_lacking(revision: Revision, ctx: Context) -> WaitReason | None:
    """What other nodes lack of a version that is whole here: it is not looked through again for each image that arrives there."""
    if revision.waiting is None or revision.waiting.kind is not WaitKind.NODES:
        return None
    standing = spreading.standing(ctx, revision)
    return standing.reason if standing and not standing.ready else None


def _place(revision: Revision, locks: Sequence[ImageLock], ctx: Context) -> None:
    """Other nodes may begin while this one still downloads. Where the cluster does not answer, they begin when it does."""
    with suppress(ProvisionError):
        spreading.place(ctx, revision, locks)


def _outcome(revision: Revision, ctx: Context) -> Ready | Waiting:
    """The rehearsal is ordered before the version is ready, so that no crash is between the two. The order waits until it is."""
    standing = spreading.standing(ctx, revision)
    if standing and not standing.ready and standing.reason:
        return Waiting(standing.reason)
    if ctx.settings.staging.rehearse and not revision.spec.method.instantly_apply:
        order_of(ctx, revision)
    ready = trial.outcome(revision, ctx)
    return replace(ready, nodes=standing.reason) if standing else ready


def restage_unsigned(ctx: Context) -> None:
    """Versions whose images count otherwise by the keys of now are judged again at once: ready ones that do not, waiting ones that may."""
    if not required(ctx.settings.trust, "image"):
        return
    try:
        role = image_role(ctx.trust)
    except ProvisionError:
        return  # staging and `doctor` say so
    for workload in ctx.ledger.readable_staged().workloads.values():
        staged = workload.staged
        if staged is not None and not staged.blocked and _is_to_be_judged(staged, role, ctx):
            ctx.progress(Note(f"the signatures of {staged.workload} are checked again"))
            ctx.ledger.advance(staged, Received())


def _is_to_be_judged(staged: Revision, role: Role, ctx: Context) -> bool:
    locks = tuple(every_variant(staged.locks or ()))
    if staged.download is Download.READY:
        return not all(counted(ctx.ledger.verdict(lock), role).counts for lock in locks)
    waits = staged.waiting is not None and staged.waiting.kind is WaitKind.IMAGE_UNSIGNED
    return waits and all(may_count_now(ctx.ledger, ctx.store, lock, role) for lock in locks)


class _InterruptibleSource:
    """A source that does not wait for a silent registry once staging is to stop. Readers of blobs check that themselves."""

    def __init__(self, source: Blobs, stop: Callable[[], bool]) -> None:
        self._source = source
        self._stop = stop

    def resolve(self, reference: Reference, platform: Platform, support: ImageSupport = ANYTHING) -> Resolved:
        return run_abandonable(lambda: self._source.resolve(reference, platform, support), self._stop)

    def blob(self, reference: Reference, blob: Descriptor, offset: int) -> AbstractContextManager[Stream]:
        return self._source.blob(reference, blob, offset)

    def signatures(self, reference: Reference, digest: str) -> SignatureDocuments:
        return run_abandonable(lambda: self._source.signatures(reference, digest), self._stop)

    def deltas(self, reference: Reference, image: Descriptor) -> DeltaOffers:
        return run_abandonable(lambda: self._source.deltas(reference, image), self._stop)
