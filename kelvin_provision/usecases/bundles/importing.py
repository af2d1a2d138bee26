"""Import a bundle: what was planned is stored. Layers stay on the medium; staging reads them there."""

from __future__ import annotations

import uuid
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kelvin_provision.bundles.head import Head
from kelvin_provision.bundles.opening import open_bundle
from kelvin_provision.bundles.reader import Bundle
from kelvin_provision.context import Context
from kelvin_provision.errors import BundleDamaged, MediumGone, ProvisionError, TransferStopped
from kelvin_provision.ledger import requests
from kelvin_provision.ledger.model.workloads import Revision
from kelvin_provision.ledger.reading.bundles import ImportedBundle, KnownMedium
from kelvin_provision.ledger.requests import Accepted, Brought
from kelvin_provision.media import kept
from kelvin_provision.media.mounts import Mounts
from kelvin_provision.media.source import signatures_of
from kelvin_provision.refs import Descriptor
from kelvin_provision.spec.lock import ImageLock, every_variant
from kelvin_provision.staging.download import fetch
from kelvin_provision.staging.media import copy_from_media
from kelvin_provision.staging.signatures import arrived
from kelvin_provision.staging.transfer import Transfer
from kelvin_provision.usecases.bundles.import_plan import ImportPlan, ImportRequest
from kelvin_provision.usecases.bundles.media.receipts import leave_receipt
from kelvin_provision.usecases.bundles.planning import plan
from kelvin_provision.usecases.bundles.trust import revoked, trusting
from kelvin_provision.usecases.bundles.trust.serials import older, signers_of
from kelvin_provision.usecases.deploy import notes_of
from kelvin_provision.usecases.waking import NO_SERVICE_WARNING, wake

__all__ = ["ImportPlan", "ImportRequest", "ImportResult", "carry_out", "plan"]


@dataclass(frozen=True)
class ImportResult:
    """`images` were brought in without a request, and are kept until `images prune`. `left` are files for the desk, on the medium."""

    plan: ImportPlan
    revisions: tuple[Revision, ...]
    images: tuple[ImageLock, ...]
    warnings: tuple[str, ...] = ()
    left: tuple[Path, ...] = ()

    def to_json(self) -> dict[str, Any]:
        accepted = [{"workload": revision.workload, "revision": revision.number} for revision in self.revisions]
        kept_images = [str(lock.reference) for lock in self.images]
        return self.plan.to_json() | {"accepted": accepted, "kept_images": kept_images, "left": [str(path) for path in self.left]}


def carry_out(ctx: Context, plan: ImportPlan) -> ImportResult:
    """Documents of images first, then everything in one commit: a crash before it has stored nothing that counts.

    Requests are those that the plan has read. Images without a request are copied at once. Raises BundleOlder, BundleDamaged, MediumGone,
    NoSpace, SignatureMissing, TransferStopped, AgentSilent (everything is stored then).
    """
    plan.refuse_older()
    locks = tuple(dict.fromkeys((*plan.kept, *(lock for some in plan.locks.values() for lock in some))))
    with ctx.sanitizer.errors(), ctx.store.lease(locks):
        _store_documents(ctx, plan, locks)
        stored = _stored(ctx, plan, plan.head) if plan.head else _further_parts_stored(ctx, plan)
        if plan.kept:
            _copy(ctx, plan.kept)
    woken = wake(ctx) if stored.revisions or plan.head is None else ()
    reboot = () if not stored.revisions or ctx.launcher.survives_reboot(ctx.settings) else (NO_SERVICE_WARNING,)
    warnings = (*plan.warnings, *requests.cancellations(stored.cancelled), *woken, *reboot)
    return ImportResult(plan, stored.revisions, plan.kept, warnings, leave_receipt(ctx, plan, stored.revisions))


def _stored(ctx: Context, plan: ImportPlan, head: Head) -> Accepted:
    """The table of contents is written within the transaction: who removes those of forgotten bundles holds one, too."""
    brought, hashes = _brought(ctx, plan), _hashes_of_chunks(plan, head)
    with ctx.ledger.writing():
        replace(plan, older=older(ctx.ledger, plan.accepted)).refuse_older()  # a newer one may have come since it was planned
        trusting.accept(ctx, plan.accepted.before, plan.accepted.steps, head.trust, origin=brought.bundle.source)
        kept.keep(ctx.settings.state_dir, plan.digest, head.contents)
        if hashes:
            kept.keep_hashes(ctx.settings.state_dir, plan.digest, hashes)
        signed, signers = notes_of(plan.requests.signed), revoked.signers_of(plan.accepted, plan.requests)
        return requests.import_bundle(ctx.ledger, brought, uuid.uuid4().hex, actor=ctx.actor, signed=signed, signers=signers)


def _further_parts_stored(ctx: Context, plan: ImportPlan) -> Accepted:
    """They bring nothing but another place: what the bundle is, and when and by whom it came, was said by the first."""
    requests.add_places(ctx.ledger, plan.digest, _media_of(plan), parts=len(plan.contents.parts))
    return Accepted(())


def _hashes_of_chunks(plan: ImportPlan, head: Head) -> bytes:
    """By which further parts are told; empty where there are none, or they cannot be read now."""
    if len(plan.contents.parts) > 1:
        with suppress(MediumGone, BundleDamaged), open_bundle(plan.files, head, plan.contents) as bundle:
            return bundle.content(plan.contents.chunks)
    return b""


def _media_of(plan: ImportPlan) -> tuple[KnownMedium, ...]:
    mounts = Mounts()
    return tuple(mounts.medium_of(path) for path in plan.files.paths.values())


def _brought(ctx: Context, plan: ImportPlan) -> Brought:
    bundle = ImportedBundle(
        digest=plan.digest,
        name=plan.contents.name,
        serial=plan.contents.serial,
        signers=tuple(signer.text for signer in plan.accepted.signers),
        imported=ctx.ledger.clock(),
        actor=ctx.actor,
        media=_media_of(plan),
        images=plan.kept,
    )
    note = plan.older.note if plan.older else ""
    return Brought(bundle, plan.requests.specs, plan.locks, signers_of(plan.accepted), note, parts=len(plan.contents.parts))


def _store_documents(ctx: Context, plan: ImportPlan, locks: tuple[ImageLock, ...]) -> None:
    """Indexes, manifests, configs and signatures, so that nothing but layers has to be waited for."""
    if plan.head is None or not locks:
        return
    with open_bundle(plan.files, plan.head, plan.contents) as bundle:
        for lock in every_variant(locks):
            for document in (lock.index, lock.manifest, lock.config):
                if document is not None:
                    _put(ctx, bundle, document)
            for image in plan.contents.images:
                if image.manifest == lock.manifest.digest and image.signatures:
                    arrived.keep(ctx.store, lock, signatures_of(image, plan.contents, bundle.document))


def _put(ctx: Context, bundle: Bundle, document: Descriptor) -> None:
    if not ctx.store.has(document):
        ctx.store.layout.create()
        ctx.store.put(document, bundle.document(document.digest))


def _copy(ctx: Context, images: tuple[ImageLock, ...]) -> None:
    """From the medium, and what it cannot give from the registry. What was copied is kept in any case, and the same import continues."""
    trouble = copy_from_media(ctx.media, ctx.store, images, progress=ctx.progress, stop=ctx.stop)
    try:
        backoff = replace(ctx.timings.staging, deadline=0.0)
        fetch(Transfer(ctx.source, ctx.store, ctx.progress, ctx.stop, backoff), images)
    except TransferStopped:
        raise
    except ProvisionError as error:
        if trouble is None:
            raise
        raise trouble from error
    for lock in images:
        ctx.store.tag(lock)
