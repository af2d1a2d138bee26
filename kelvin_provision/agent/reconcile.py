"""One round of the reconciler: observe what runs, and restore missing images and pins."""

from __future__ import annotations

from collections.abc import Iterator

from kelvin_provision.applying.observe import observe
from kelvin_provision.context import Context
from kelvin_provision.events import Note
from kelvin_provision.images import local_names
from kelvin_provision.spec.enums import Download
from kelvin_provision.spec.identity import is_among
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.staging import importing


def observe_running(ctx: Context) -> None:
    """Observe and record everything that runs."""
    running = ctx.ledger.running_names()
    if running:
        observe(ctx, running, everything=True)


def _not_pinned(ctx: Context) -> Iterator[ImageLock]:
    """Images that must be there and that the runtime does not list with our pin."""
    if ctx.ledger.has_images():
        pinned = ctx.runtime.owned()
        # Each image that was imported is listed once, however many workloads have it: mostly, that is all there is to read.
        if any(not is_among(lock, pinned) for lock in ctx.ledger.imported_images()):
            yield from (lock for lock in ctx.ledger.ready_locks() if not is_among(lock, pinned))


def restore_images(ctx: Context, *, thorough: bool = True) -> None:
    """Restore images, pins and local names, and recreate pods that wait for them. Raises errors of runtime and cluster.

    Unless `thorough`, an image that the runtime lists with our pin counts as complete: one call for all of them.
    """
    locks = list(_not_pinned(ctx) if not thorough else ctx.ledger.ready_locks())
    restored, missing = importing.put_back(locks, ctx.store, ctx.runtime, ctx.progress) if locks else ((), ())
    local_names.keep(ctx.ledger, lambda: ctx.runtime)
    for lock in missing:
        ctx.progress(Note(f"{lock.reference} is neither in the runtime nor in the store"))
    for workload in ctx.ledger.each() if restored else ():
        running = workload.running
        if running and running.download is Download.READY and not set(restored).isdisjoint(running.locks or ()):
            ctx.cluster.retry_stuck_pods(workload.name)
