"""Uploaded bundles from which nothing is needed any more are removed: until then they are media, as sticks are."""

from __future__ import annotations

import os
from collections.abc import Collection
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
    """Read after the bundle, which is stored together with what it brought."""
    here, complete = ctx.store.progress(bundle.images)
    return here < complete or bundle.digest in _unfinished(ctx)


def _unfinished(ctx: Context) -> Collection[str]:
    """Digests of the bundles whose revisions are not staged yet, also of those that wait or have failed."""
    workloads = ctx.ledger.readable_unapplied().workloads.values()
    staged = [workload.staged for workload in workloads if workload.staged]
    return {revision.bundle for revision in staged if revision.bundle and revision.download is not Download.READY}
