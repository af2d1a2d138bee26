"""One turn of the agent: everything that can be done now, once. What must wait is left for the next turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kelvin_provision.errors import Locked, ProvisionError, TransferStopped
from kelvin_provision.events import Note
from kelvin_provision.ledger.model import Revision, Workload
from kelvin_provision.node import Node
from kelvin_provision.ops import apply, stage
from kelvin_provision.spec.words import Download

OPERATOR_WAIT = 5.0
"""Seconds to wait for a person's command to end before a group's apply is put off to the next turn."""


def pending(node: Node) -> tuple[Workload, ...]:
    """Workloads whose staged revision still wants something from the agent."""
    return tuple(found for found in node.ledger.workloads() if found.staged and found.staged.in_motion)


def take(node: Node, stop: Callable[[], bool]) -> bool:
    """Receive, stage, apply whole groups. True when nothing is left that time alone would heal."""
    todo = pending(node)
    for workload in todo:
        if workload.staged and workload.staged.download is Download.PENDING:
            node.ledger.set_download(workload.staged, Download.RECEIVED)
    for workload in todo:
        if stop():
            return False
        if workload.staged and not apply.appliable(workload.staged):
            _stage(node, workload.staged, stop)
    for group in groups(node.ledger.workloads()):
        if stop():
            return False
        _apply(node, group, stop)
    return not pending(node)


def _stage(node: Node, revision: Revision, stop: Callable[[], bool]) -> None:
    node.progress(Note(f"staging {revision.workload}: {revision.spec.app_name} {revision.spec.app_version}"))
    try:
        done = stage.run(
            revision,
            ledger=node.ledger,
            store=node.store,
            source=node.source,
            runtime=node.runtime,
            parallel=node.settings.download.parallel,
            progress=node.progress,
            stop=stop,
        )
    except TransferStopped:
        node.progress(Note(f"staging {revision.workload} stopped; what was downloaded is kept"))
        return
    state = "ready" if done else node.ledger.revision(revision.workload, revision.number).error
    node.progress(Note(f"staging {revision.workload}: {state}"))


def groups(workloads: Sequence[Workload]) -> list[tuple[Workload, ...]]:
    """Groups that apply themselves and are complete: everything that came in one deploy and is still staged, none of it blocked."""
    found: dict[str, list[Workload]] = {}
    for workload in workloads:
        if workload.staged and workload.staged.spec.method.instantly_apply:
            found.setdefault(workload.staged.batch, []).append(workload)
    return [tuple(group) for group in found.values() if all(_may_go(workload.staged) for workload in group)]


def _may_go(revision: Revision | None) -> bool:
    return revision is not None and not revision.blocked and apply.appliable(revision)


def _apply(node: Node, group: Sequence[Workload], stop: Callable[[], bool]) -> None:
    names = ", ".join(workload.name for workload in group)
    try:
        with node.changing(f"agent: apply {names}", wait=OPERATOR_WAIT):
            # A person may have applied or replaced it while we waited for the lock.
            fresh = [found for found in node.ledger.workloads() if found.name in {workload.name for workload in group}]
            if [found.staged for found in fresh] != [found.staged for found in group]:
                return
            node.apply(fresh, who="agent", stop=stop)
    except Locked as error:
        node.progress(Note(f"applying {names} waits: {error}"))
    except ProvisionError as error:
        node.progress(Note(f"applying {names}: {error}"))


def tend(node: Node) -> None:
    """Put back images and pins that somebody removed, and look at the cluster once. Trouble is only said: the next round tries again."""
    workloads = node.ledger.workloads()
    locks = [lock for found in workloads for slot in (found.running, found.staged) if slot and _complete(slot) for lock in slot.locks or ()]
    try:
        if locks:
            for lock in stage.put_back(locks, node.store, node.runtime, node.progress):
                node.progress(Note(f"{lock.reference} is neither in the runtime nor in the store"))
        running = [found.name for found in workloads if found.running]
        if running:
            apply.look(node.ledger, node.cluster, running)
    except ProvisionError as error:
        node.progress(Note(str(error)))


def _complete(revision: Revision) -> bool:
    return revision.download is Download.READY
