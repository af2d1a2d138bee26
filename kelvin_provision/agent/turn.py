"""One turn of the agent: everything that can be done now, once. What must wait is left for the next turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import cast

from kelvin_provision.agent import scheduler
from kelvin_provision.agent.faults import Faults
from kelvin_provision.applying import apply
from kelvin_provision.errors import Locked, ProvisionError, TransferStopped
from kelvin_provision.events import Note, Status
from kelvin_provision.ledger.model import Revision, Workload
from kelvin_provision.node import Node
from kelvin_provision.refs import Descriptor, Platform, Reference
from kelvin_provision.registry.protocol import Resolved, Source, Stream
from kelvin_provision.spec.enums import Download
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.staging import stage
from kelvin_provision.staging.threads import run_abandonable

OPERATOR_WAIT = 5.0
"""Seconds to wait for a person's command to end before a group's apply is put off to the next turn."""


def pending(node: Node) -> tuple[Workload, ...]:
    """Workloads whose staged revision still wants something from the agent. One that is ready but held by its group wants nothing."""
    workloads = node.ledger.workloads()
    held = holding(workloads)
    return tuple(
        found
        for found in workloads
        if found.staged and found.staged.in_motion and not (found.name in held and apply.appliable(found.staged))
    )


def take(node: Node, stop: Callable[[], bool], faults: Faults | None = None) -> bool:
    """Receive, stage, apply whole groups. True when nothing is left that time alone would heal.

    What can be applied goes first, and a download makes way for it: a small change must not wait for a download of days. A bug of
    ours in one workload's staging or one group's apply ends neither the turn nor the agent; `faults` remembers it.
    """
    scheduler.close(node)
    known, todo, tried = faults or Faults(), pending(node), set[str]()
    for workload in todo:
        if workload.staged and workload.staged.download is Download.PENDING:
            node.ledger.set_download(workload.staged, Download.RECEIVED)
    _apply_groups(node, known, tried, stop)
    for workload in todo:
        while workload.staged and not apply.appliable(workload.staged) and not stop():
            halted = _Halted(node, tried, stop)
            work = partial(_stage, node, workload.staged, halted)
            _contained(node, (workload.staged,), known, "staging", work)
            _apply_groups(node, known, tried, stop)
            if not halted.pressing:
                break
    _tell_held(node)
    return not pending(node)


class _Halted:
    """Whether a download is to end: to stop at all, or for a group that was not tried yet and could be applied now (`pressing`).

    Asked for every chunk, it looks at the ledger once a second.
    """

    def __init__(self, node: Node, tried: set[str], stop: Callable[[], bool]) -> None:
        self._node = node
        self._tried = tried
        self._stop = stop
        self._looked, self._seen = time.monotonic(), scheduler.signs(node)
        self.pressing = False

    def __call__(self) -> bool:
        if not self.pressing and time.monotonic() - self._looked > 1.0:
            self._looked, before, self._seen = time.monotonic(), self._seen, scheduler.signs(self._node)
            if self._seen != before:
                self.pressing = not self._tried.issuperset(_open_to(self._node))
        return self._stop() or self.pressing


def _batch(group: Sequence[Workload]) -> str:
    return group[0].staged.batch if group[0].staged else ""


def _open_to(node: Node) -> dict[str, tuple[tuple[Workload, ...], Callable[[Callable[[], bool]], None]]]:
    """What could be applied now: whole groups and what was asked for at this time, each under a word of its own."""
    free = scheduler.let_through(node, groups(node.ledger.workloads()))
    found = {_batch(group): (group, partial(_apply, node, group)) for group in free}
    due = {
        f"at {one.id}": (node.ledger.workloads(one.names), partial(scheduler.keep, node, one, wait=OPERATOR_WAIT))
        for one in scheduler.due(node)
    }
    return {**due, **found}


def _apply_groups(node: Node, faults: Faults, tried: set[str], stop: Callable[[], bool]) -> None:
    """Everything that could be applied, once a turn."""
    for word, (group, work) in _open_to(node).items():
        if not stop() and word not in tried:
            tried.add(word)
            revisions = [workload.staged for workload in group if workload.staged]
            _contained(node, revisions, faults, "applying", partial(work, stop))


def holding(workloads: Sequence[Workload]) -> dict[str, Workload]:
    """Members of groups that apply themselves, each with the blocked member that holds its group."""
    blocked = {found.staged.batch: found for found in workloads if found.staged and found.staged.blocked}
    return {
        found.name: blocked[found.staged.batch]
        for found in workloads
        if found.staged and found.staged.spec.method.instantly_apply and not found.staged.blocked and found.staged.batch in blocked
    }


def _tell_held(node: Node) -> None:
    """`list` says what a ready member of a group waits for."""
    workloads = node.ledger.workloads()
    held = holding(workloads)
    for found in workloads:
        if found.name in held and found.staged and apply.appliable(found.staged):
            mate = held[found.name]
            cause = f"waits for {mate.name} of the same group: {mate.staged.error if mate.staged else ''}"
            node.ledger.set_download(found.staged, found.staged.download, cause)


def _contained(node: Node, revisions: Sequence[Revision], faults: Faults, verb: str, work: Callable[[], None]) -> None:
    """Do it, unless our bug in it rests. A new one is told with its traceback, and `list` has the sentence."""
    names = ", ".join(revision.workload for revision in revisions)
    what = f"{verb} {' '.join(f'{revision.workload}/{revision.number}' for revision in revisions)}"
    if faults.resting(what):
        return
    node.progress(Status(f"{verb} {names}"))
    try:
        work()
    except ProvisionError:
        raise
    except Exception as error:  # noqa: BLE001  (our bug, contained to what it hit)
        text, lines = faults.add(what, error)
        for line in (f"{verb} {names}: {text}", *lines):
            node.progress(Note(line))
        for revision in revisions:
            node.ledger.set_download(revision, node.ledger.revision(revision.workload, revision.number).download, text)
    else:
        faults.healed(what)
    finally:
        node.progress(Status(""))


def _stage(node: Node, revision: Revision, stop: Callable[[], bool]) -> None:
    if revision.error is None:
        # Once, not at every try of a box that is offline for weeks: the log would say nothing else.
        node.progress(Note(f"staging {revision.workload}: {revision.spec.app_name} {revision.spec.app_version}"))
    try:
        done = stage.run(
            revision,
            ledger=node.ledger,
            store=node.store,
            source=cast("Source", _Leaving(node.source, stop)),  # the two verbs that staging needs
            runtime=node.runtime,
            limits=node.link,
            progress=node.progress,
            stop=stop,
            headroom=node.settings.download.keep_free,
        )
    except TransferStopped:
        node.progress(Note(f"staging {revision.workload} stopped; what was downloaded is kept"))
        return
    except ProvisionError as error:
        # What staging itself met it has written down. This is the box, which cannot now: no runtime, no store, an unreadable login.
        # That is nothing of the revision's, which waits, and nothing of the other workloads'.
        node.ledger.set_download(revision, revision.download, str(error))
        if str(error) != revision.error:
            node.progress(Note(f"staging {revision.workload} waits: {error}"))
        return
    now = {found.name: found.staged for found in node.ledger.workloads()}.get(revision.workload)
    state = "ready" if done else now.error if now else "replaced"
    if state != revision.error:
        node.progress(Note(f"staging {revision.workload}: {state}"))


class _Leaving:
    """The source, but a registry that is silent is not waited for once it is to stop. Blobs are: their readers ask for themselves."""

    def __init__(self, source: Source, stop: Callable[[], bool]) -> None:
        self._source = source
        self._stop = stop

    def resolve(self, reference: Reference, platform: Platform) -> Resolved:
        return run_abandonable(lambda: self._source.resolve(reference, platform), self._stop)

    def blob(self, reference: Reference, blob: Descriptor, offset: int) -> AbstractContextManager[Stream]:
        return self._source.blob(reference, blob, offset)


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


def put_back(node: Node, *, thorough: bool = True) -> None:
    """Put back images and pins that somebody removed, and have what waits for them try again. Errors as the runtime's and the cluster's.

    Otherwise than `thorough`, an image that the runtime has under our pin is believed to be whole: one question for all of them.
    """
    workloads = node.ledger.workloads()
    locks = [lock for found in workloads for slot in (found.running, found.staged) for lock in _locks(slot)]
    if locks and not thorough:
        owned = node.runtime.owned()
        locks = [lock for lock in locks if lock.name not in owned and lock.config.digest not in owned]
    if not locks:
        return
    back, missing = stage.put_back(locks, node.store, node.runtime, node.progress)
    for lock in missing:
        node.progress(Note(f"{lock.reference} is neither in the runtime nor in the store"))
    for found in workloads:
        if not set(back).isdisjoint(_locks(found.running)):
            node.cluster.retry_stuck_pods(found.name)


def look(node: Node) -> None:
    """Record what the cluster does with everything that runs."""
    running = [found.name for found in node.ledger.workloads() if found.running]
    if running:
        apply.look(node.ledger, node.cluster, running)


def _locks(slot: Revision | None) -> tuple[ImageLock, ...]:
    return slot.locks or () if slot and _complete(slot) else ()


def _complete(revision: Revision) -> bool:
    return revision.download is Download.READY
