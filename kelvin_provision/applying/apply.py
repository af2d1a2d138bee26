"""Apply: choose, render, look whether everything is there, plan; then one transaction. Needs no network but the node's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from kelvin_provision import timestamps
from kelvin_provision.applying import transaction
from kelvin_provision.applying.forecast import Target, refusal
from kelvin_provision.applying.hooks import Hooks, NoHooks, around, document
from kelvin_provision.applying.selection import appliable, choose
from kelvin_provision.cluster.plan import Finding, Plan
from kelvin_provision.cluster.protocol import Cluster, Lookup
from kelvin_provision.errors import (
    ApplyFailed,
    Interrupted,
    NotReady,
    ProvisionError,
    UndoFailed,
)
from kelvin_provision.events import Progress
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model import Care, Revision, Step, Workload
from kelvin_provision.runtimes.protocol import Runtime
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.workload import Object
from kelvin_provision.staging import stage
from kelvin_provision.status import Observation, Observed
from kelvin_provision.store import Store

__all__ = ["Prepared", "Target", "appliable", "choose", "examine", "look", "prepare", "refuse_unready", "run"]

STALE = timedelta(seconds=55)
"""How old what was seen may grow before it is confirmed: less than a minute, for the agent looks once a minute."""


@dataclass(frozen=True)
class Prepared:
    """What an apply would do: its steps, the objects by workload, and the plan without findings."""

    steps: tuple[Step, ...]
    wanted: dict[str, tuple[Object, ...]]
    plan: Plan
    warnings: tuple[str, ...] = ()
    """What went wrong beside it, once it was carried out."""


def refuse_unready(found: Sequence[Workload], store: Store) -> None:
    """Raise NotReady for all that are not complete, each with how far it is."""
    late = [_how_far(workload.staged, store) for workload in found if workload.staged and not appliable(workload.staged)]
    if late:
        raise NotReady("; ".join(late))


def _how_far(revision: Revision, store: Store) -> str:
    words = f"{revision.workload} is not ready ({revision.download.value}"
    if revision.locks:
        done, total = store.progress(revision.locks)
        words += f", {done} of {total} bytes"
    return f"{words}){f': {revision.error}' if revision.error else ''}"


def prepare(
    found: Sequence[Workload],
    *,
    cluster: Cluster,
    runtime: Callable[[], Runtime],
    store: Store,
    lookup: Lookup,
    progress: Progress,
) -> Prepared:
    """Touches nothing on the cluster. Raises PlanRefused with all findings of all workloads."""
    return examine(rendered(found, cluster), cluster=cluster, runtime=runtime, store=store, lookup=lookup, progress=progress)


def rendered(found: Sequence[Workload], cluster: Cluster) -> tuple[Target, ...]:
    """The staged revisions of these workloads as objects. Raises RequestRefused for what this cluster cannot do."""
    return tuple(
        Target(workload, workload.staged, cluster.render(workload.staged.spec, workload.staged.locks or (), workload.staged.number))
        for workload in found
        if workload.staged
    )


def examine(
    targets: Sequence[Target],
    *,
    cluster: Cluster,
    runtime: Callable[[], Runtime],
    store: Store,
    lookup: Lookup,
    progress: Progress,
) -> Prepared:
    """Images put back where somebody took them away, then the plan of everything. Raises PlanRefused with all findings."""
    steps, findings = [], []
    for target in targets:
        before = target.workload.running.number if target.workload.running else None
        steps.append(Step(target.workload.name, before, target.revision.number))
        if target.revision.locks:
            findings += _images(target.workload.name, target.revision.locks, store, runtime(), progress)
    wanted = {target.workload.name: target.objects for target in targets}
    plan = cluster.plan(wanted, lookup)
    findings += plan.findings
    if findings:
        raise refusal(findings)
    return Prepared(tuple(steps), wanted, plan)


def _images(workload: str, locks: Sequence[ImageLock], store: Store, runtime: Runtime, progress: Progress) -> list[Finding]:
    try:
        _, missing = stage.put_back(locks, store, runtime, progress)
    except ProvisionError as error:
        return [Finding(error.code, workload, "images", str(error))]
    return [lost(workload, lock) for lock in missing]


def lost(workload: str, lock: ImageLock) -> Finding:
    """An image that nobody has any more."""
    text = "is neither in the runtime nor in the store: deploy the workload again while there is a network"
    return Finding("image-missing", workload, str(lock.reference), text)


def run(
    found: Sequence[Workload],
    *,
    ledger: Ledger,
    cluster: Cluster,
    runtime: Callable[[], Runtime],
    store: Store,
    lookup: Lookup,
    terms: transaction.ApplyPolicy,
    who: str,
    progress: Progress,
    stop: Callable[[], bool],
    care: Care = Care.BACK,
    hooks: Hooks | None = None,
) -> Prepared:
    """Apply the staged revisions of these workloads as one transaction. Errors as `prepare`, `hooks.around` and `transaction.carry_out`.

    The objects are kept with their revision before anything is touched: going back to it later means the same objects. A failure is
    kept with it too, for `list`; a group that applies itself then waits for a person instead of failing for ever.
    """
    try:
        ready = prepare(found, cluster=cluster, runtime=runtime, store=store, lookup=lookup, progress=progress)
        for workload in found:
            if workload.staged:
                ledger.set_objects(workload.staged, ready.wanted[workload.name])
        work = partial(
            transaction.carry_out,
            ready.steps,
            ready.wanted,
            ledger=ledger,
            cluster=cluster,
            lookup=lookup,
            terms=terms,
            who=who,
            progress=progress,
            stop=stop,
            care=care,
        )
        about = document(found, ready.plan, who)
        ready = replace(ready, warnings=around(work, about, hooks=hooks or NoHooks(), ledger=ledger, progress=progress, stop=stop))
    except (ApplyFailed, Interrupted, UndoFailed):
        raise  # the transaction keeps these itself, in the moment that it ends
    except ProvisionError as error:
        _remember(found, error, ledger)
        raise
    finally:
        with suppress(ProvisionError):
            look(ledger, cluster, [workload.name for workload in found])
    return ready


def _remember(found: Sequence[Workload], error: ProvisionError, ledger: Ledger) -> None:
    for workload in found:
        if workload.staged:
            revision = workload.staged
            text = f"version {revision.spec.app_version} was not applied: {error}"
            blocked = revision.spec.method.instantly_apply and not error.temporary
            ledger.set_download(revision, revision.download, text, blocked=blocked)


def look(ledger: Ledger, cluster: Cluster, names: Sequence[str]) -> None:
    """Record what the cluster does with these workloads now; a silent cluster leaves what was seen before, marked as old.

    What is the same as a moment ago is not written: flash wears out.
    """
    known = {workload.name: workload.observation for workload in ledger.workloads() if workload.name in names}
    found: dict[str, Observation]
    try:
        seen = cluster.observe()
    except ProvisionError:
        found = {name: replace(before, reachable=False) for name, before in known.items() if before}
    else:
        absent = Observation(Observed.ABSENT, seen=ledger.clock())
        found = {name: seen.get(name, absent) for name in known}
    news: dict[str, Observation | None] = {name: now for name, now in found.items() if _is_news(known[name], now)}
    if news:
        ledger.observe(news)


def _is_news(before: Observation | None, now: Observation) -> bool:
    """Whether it says something else, or the last word is so old that people would doubt it. A clock that went back counts as old."""
    if before is None or replace(before, seen=now.seen) != now:
        return True
    age = timestamps.parse(now.seen) - timestamps.parse(before.seen) if now.seen and before.seen else None
    return age is not None and not timedelta(0) <= age < STALE
