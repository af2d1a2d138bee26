"""Following what the agent does in another process: from the ledger and the sizes of files, with no channel between the two."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from kelvin_provision.cli.render.transfers import came
from kelvin_provision.errors import ApplyFailed, NotReady, StagingFailed
from kelvin_provision.events import Advanced, Finished, Note, Progress, Started
from kelvin_provision.hints import command as to_type
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model import Revision
from kelvin_provision.queries.transfers import staged
from kelvin_provision.spec.enums import Download, State
from kelvin_provision.status import derive, of_staged
from kelvin_provision.store import Store

TICK = 0.25


@dataclass
class _Seen:
    """What was already said of one revision."""

    images: set[str] = field(default_factory=set)
    whole: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    cause: str | None = None
    state: State | None = None


def follow(
    revisions: Sequence[Revision],
    *,
    ledger: Ledger,
    store: Store,
    progress: Progress,
    timeout: float | None = None,
    still_worked_on: Callable[[], object] = lambda: None,
) -> dict[str, str]:
    """Until each is ready, or runs if it applies itself; how each ended, by workload.

    `still_worked_on` is called now and then and may start an agent again. Raises StagingFailed when one is blocked, NotReady when
    `timeout` seconds are over: the work goes on in both cases.
    """
    deadline = time.monotonic() + timeout if timeout is not None else None
    seen = {revision.workload: _Seen() for revision in revisions}
    while True:
        ends = {revision.workload: _look(revision, seen[revision.workload], ledger, store, progress) for revision in revisions}
        if all(ends.values()):
            return {name: end for name, end in ends.items() if end}
        if deadline is not None and time.monotonic() >= deadline:
            late = ", ".join(name for name, end in ends.items() if not end)
            raise NotReady(f"{late}: not done yet; the agent goes on in the background")
        still_worked_on()
        time.sleep(TICK)


def _look(first: Revision, seen: _Seen, ledger: Ledger, store: Store, progress: Progress) -> str | None:
    """One look; how it ended, or None while it goes on."""
    found = {workload.name: workload for workload in ledger.workloads()}.get(first.workload)
    if found and found.running and found.running.number == first.number:
        _show_images(found.running, seen, ledger, store, progress)
        return "running"
    if found is None or found.staged is None or found.staged.number != first.number:
        return "replaced"
    revision = found.staged
    _show_images(revision, seen, ledger, store, progress)
    state = derive(found.situation).state if revision.spec.method.instantly_apply else of_staged(revision.slot).state
    if state is not seen.state:
        seen.state = state
        progress(Note(f"{revision.workload}: {state.message.lower()}"))
    if revision.blocked:
        kind = ApplyFailed if revision.download is Download.READY or not revision.spec.method.staged else StagingFailed
        raise kind(f"{revision.workload}: {revision.failure}", hint=to_type("workloads show", names=(revision.workload,)))
    if revision.cause and revision.cause != seen.cause:
        scheduled = revision.waiting is not None and not revision.waiting.is_retry
        progress(Note(f"{revision.workload}: {revision.cause}{'' if scheduled else '; the agent tries again'}"))
    seen.cause = revision.cause
    if revision.download is Download.READY and not revision.spec.method.instantly_apply:
        return "ready"
    return None


def _show_images(revision: Revision, seen: _Seen, ledger: Ledger, store: Store, progress: Progress) -> None:
    if all(str(lock.reference) in seen.ended for lock in revision.locks or ()):
        return
    for one in staged(ledger, store, revision, {}):
        task = one.reference
        if task not in seen.images and not one.whole:
            seen.images.add(task)
            progress(Started(task, "downloading", one.size))
        if task in seen.images and task not in seen.whole:
            progress(Advanced(task, one.here, one.size))
        if one.whole and task not in seen.whole:
            seen.whole.add(task)
            progress(Started(task, "importing"))
        if revision.download is Download.READY and task not in seen.ended:
            seen.ended.add(task)
            progress(Finished(task, "ready", came(one)))
