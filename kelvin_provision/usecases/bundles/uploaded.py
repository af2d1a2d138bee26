"""Uploaded bundles from which nothing is needed any more are removed: until then they are media, as sticks are."""

from __future__ import annotations

import os
from collections.abc import Iterator
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
    for upload, bundle in _imported(ctx, uploads):
        if not _is_needed(ctx, bundle):
            with suppress(Locked, UploadUnknown):
                uploads.remove(upload.id)
                removed.append(upload.announced.name)
    return tuple(removed)


def needed_uploads(ctx: Context) -> frozenset[str]:
    """Identifiers of those from which something is still to be staged."""
    uploads = Uploads(ctx.settings.state_dir)
    return frozenset(upload.id for upload, bundle in _imported(ctx, uploads) if _is_needed(ctx, bundle))


def _imported(ctx: Context, uploads: Uploads) -> Iterator[tuple[Upload, ImportedBundle]]:
    if not uploads.root.is_dir():
        return
    imported = {os.path.abspath(medium.place): bundle for bundle in ctx.ledger.bundles() for medium in bundle.media}  # noqa: PTH100
    for upload in uploads.all():
        bundle = imported.get(os.path.abspath(uploads.content(upload.id)))  # noqa: PTH100  (as `media.mounts` writes it)
        if bundle is not None:
            yield upload, bundle


def _is_needed(ctx: Context, bundle: ImportedBundle) -> bool:
    """Read after the bundle, which is stored together with what it brought. What waits or has failed needs it, too."""
    here, complete = ctx.store.progress(bundle.images)
    readable = ctx.ledger.readable_unapplied()
    staged = [workload.staged for workload in readable.workloads.values() if workload.staged]
    unfinished = {revision.bundle for revision in staged if revision.download is not Download.READY}
    return here < complete or bool(readable.damaged) or bundle.digest in unfinished
