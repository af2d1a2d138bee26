"""Uploaded bundles from which nothing is needed any more are removed: until then they are media, as sticks are."""

from __future__ import annotations

import os
from contextlib import suppress

from kelvin_provision.context import Context
from kelvin_provision.errors import Locked, UploadUnknown
from kelvin_provision.ledger.reading.bundles import ImportedBundle
from kelvin_provision.spec.enums import Download
from kelvin_provision.uploads.folder import Uploads
from kelvin_provision.uploads.model import Upload


def remove_staged(ctx: Context) -> tuple[str, ...]:
    """Those that were imported, and of which every image is in the store; returns their names. Raises what reading the ledger raises."""
    uploads, removed = Uploads(ctx.settings.state_dir), []
    for upload, needed in _imported(ctx, uploads):
        if not needed:
            with suppress(Locked, UploadUnknown):
                uploads.remove(upload.id)
                removed.append(upload.announced.name)
    return tuple(removed)


def needed_uploads(ctx: Context) -> frozenset[str]:
    """Identifiers of those from which something is still to be staged."""
    return frozenset(upload.id for upload, needed in _imported(ctx, Uploads(ctx.settings.state_dir)) if needed)


def _imported(ctx: Context, uploads: Uploads) -> list[tuple[Upload, bool]]:
    """Each upload that was imported, and whether something is still to be staged from it; what waits or has failed is."""
    if not uploads.root.is_dir():
        return []
    bundles = {os.path.abspath(medium.place): bundle for bundle in ctx.ledger.bundles() for medium in bundle.media}  # noqa: PTH100
    places = {upload: os.path.abspath(uploads.content(upload.id)) for upload in uploads.all()}  # noqa: PTH100  (as `media.mounts` writes it)
    imported = [(upload, bundles[place]) for upload, place in places.items() if place in bundles]
    if not imported:
        return []
    readable = ctx.ledger.readable_unapplied()  # after the bundles, each of which is stored together with what it brought
    staged = [workload.staged for workload in readable.workloads.values() if workload.staged]
    unfinished = {revision.bundle for revision in staged if revision.download is not Download.READY}

    def needed(bundle: ImportedBundle) -> bool:
        here, complete = ctx.store.progress(bundle.images)
        return here < complete or bool(readable.damaged) or bundle.digest in unfinished

    return [(upload, needed(bundle)) for upload, bundle in imported]
