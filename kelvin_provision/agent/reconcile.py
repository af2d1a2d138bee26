"""What the reconciler does in one round: observe what runs, and restore images and pins that somebody removed."""

from __future__ import annotations

from kelvin_provision.applying.observe import observe
from kelvin_provision.context import Context
from kelvin_provision.events import Note
from kelvin_provision.ledger.model import Revision
from kelvin_provision.spec.enums import Download
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.staging import stage


def observe_running(ctx: Context) -> None:
    """Record what the cluster does with everything that runs."""
    running = [workload.name for workload in ctx.ledger.workloads() if workload.running]
    if running:
        observe(ctx.ledger, ctx.cluster, running)


def restore_images(ctx: Context, *, thorough: bool = True) -> None:
    """Restore images and pins from the store, and have pods that wait for them retry. Raises what runtime and cluster raise.

    Unless `thorough`, an image that the runtime lists under our pin is taken to be whole: one question for all of them.
    """
    workloads = ctx.ledger.workloads()
    locks = [lock for workload in workloads for slot in (workload.running, workload.staged) for lock in _locks(slot)]
    if locks and not thorough:
        pinned = ctx.runtime.owned()
        locks = [lock for lock in locks if lock.name not in pinned and lock.config.digest not in pinned]
    if not locks:
        return
    restored, missing = stage.put_back(locks, ctx.store, ctx.runtime, ctx.progress)
    for lock in missing:
        ctx.progress(Note(f"{lock.reference} is neither in the runtime nor in the store"))
    for workload in workloads:
        if not set(restored).isdisjoint(_locks(workload.running)):
            ctx.cluster.retry_stuck_pods(workload.name)


def _locks(revision: Revision | None) -> tuple[ImageLock, ...]:
    return revision.locks or () if revision and revision.download is Download.READY else ()
