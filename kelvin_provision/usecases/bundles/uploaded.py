"""Uploaded bundles from which nothing is needed any more are removed: until then they are media, as sticks are."""

from __future__ import annotations

import os
from contextlib import suppress

from kelvin_provision.context import Context
from kelvin_provision.errors import Locked, UploadUnknown
from kelvin_provision.ledger.reading.bundles import ImportedBundle
from kelvin_provision.spec.enums import Download
from kelvin_provision.uploads.folder import Uploads


def remove_staged(ctx: Context) -> tuple[str, ...]:
    """Those that were imported, and of which every image is in the store; returns their names. Raises what reading the ledger raises."""
    uploads = Uploads(ctx.settings.state_dir)
    if not uploads.root.is_dir():
        return ()
    imported = {os.path.abspath(medium.place): bundle for bundle in ctx.ledger.bundles() for medium in bundle.media}  # noqa: PTH100
    removed = []
    for upload in uploads.all():
        bundle = imported.get(os.path.abspath(uploads.content(upload.id)))  # noqa: PTH100  (as `media.mounts` writes it)
        if bundle is None or _is_needed(ctx, bundle):
            continue
        with suppress(Locked, UploadUnknown):
            uploads.remove(upload.id)
            removed.append(upload.announced.name)
    return tuple(removed)


def _is_needed(ctx: Context, bundle: ImportedBundle) -> bool:
    """Read after the bundle, which is stored together with what it brought. What waits or has failed needs it, too."""
    here, complete = ctx.store.progress(bundle.images)
    readable = ctx.ledger.readable_unapplied()
    staged = [workload.staged for workload in readable.workloads.values() if workload.staged]
    unfinished = {revision.bundle for revision in staged if revision.download is not Download.READY}
    return here < complete or bool(readable.damaged) or bundle.digest in unfinished
