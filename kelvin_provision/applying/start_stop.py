"""Carrying out a journaled start or stop. After a crash it is finished, never undone: it is repeated from its first step."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kelvin_provision.cluster.protocol import Cluster, Health, Lookup, Phase, WaitPolicy
from kelvin_provision.errors import Interrupted, ProvisionError, StartFailed
from kelvin_provision.events import Finished, Progress, Started
from kelvin_provision.hints import command
from kelvin_provision.ledger import journal
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model import Entry, Operation
from kelvin_provision.status import Doing


def carry_on(
    operation: Operation, *, ledger: Ledger, cluster: Cluster, lookup: Lookup, patience: WaitPolicy, who: str, progress: Progress
) -> ProvisionError | None:
    """Finish what a crash interrupted; why it did not work, if so. A silent cluster leaves it in the journal: that error is raised."""
    if operation.kind is Doing.STOP:
        done, cause = _stop(operation, cluster, progress)
    else:
        done, cause = _start(
            operation, ledger=ledger, cluster=cluster, lookup=lookup, patience=patience, progress=progress, stop=lambda: False
        )
    if cause is not None and cause.temporary:
        raise cause
    _close(operation, done, cause, ledger, who)
    return cause


def stop(operation: Operation, *, ledger: Ledger, cluster: Cluster, who: str, progress: Progress) -> None:
    """End all of them; raises what the cluster said, with what was stopped before it recorded as stopped."""
    done, cause = _stop(operation, cluster, progress)
    _close(operation, done, cause, ledger, who)
    if cause is not None:
        raise cause


def start(
    operation: Operation,
    *,
    ledger: Ledger,
    cluster: Cluster,
    lookup: Lookup,
    patience: WaitPolicy,
    who: str,
    progress: Progress,
    stop: Callable[[], bool],
) -> None:
    """Bring them up and wait; raises StartFailed, Interrupted, or what the cluster said. What was started stays started."""
    done, cause = _start(operation, ledger=ledger, cluster=cluster, lookup=lookup, patience=patience, progress=progress, stop=stop)
    _close(operation, done, cause, ledger, who)
    if cause is not None:
        raise cause


def _stop(operation: Operation, cluster: Cluster, progress: Progress) -> tuple[list[str], ProvisionError | None]:
    done: list[str] = []
    for step in operation.steps:
        progress(Started(step.workload, "stopping"))
        try:
            cluster.stop(step.workload)
        except ProvisionError as error:
            return done, error
        done.append(step.workload)
        progress(Finished(step.workload, "stopped"))
    return done, None


def _start(
    operation: Operation,
    *,
    ledger: Ledger,
    cluster: Cluster,
    lookup: Lookup,
    patience: WaitPolicy,
    progress: Progress,
    stop: Callable[[], bool],
) -> tuple[list[str], ProvisionError | None]:
    numbers = {step.workload: step.after for step in operation.steps if step.after is not None}
    wanted = {name: ledger.revision(name, number).objects or () for name, number in numbers.items()}
    done: list[str] = []
    try:
        for name, objects in wanted.items():
            if stop():
                return done, _interrupted(done)
            progress(Started(name, "starting"))
            cluster.put(name, objects, lookup)
            done.append(name)
        health = cluster.wait(wanted, patience, progress, stop)
        for name, found in health.items():
            if found.phase is Phase.READY:
                cluster.finish(name, wanted[name])
        bad = {name: found for name, found in health.items() if found.phase is not Phase.READY}
        if bad and stop():
            return done, _interrupted(done)
        return done, _failed(bad, cluster) if bad else None
    except ProvisionError as error:
        return done, error


def _interrupted(done: list[str]) -> Interrupted:
    if not done:
        return Interrupted("stopped by a signal before anything was started")
    return Interrupted(f"stopped by a signal; {', '.join(done)}: started, and not waited for any longer")


def _failed(bad: Mapping[str, Health], cluster: Cluster) -> StartFailed:
    evidence = [f"{name}: {line}" for name in bad for line in cluster.evidence(name)]
    causes = "; ".join(f"{name}: {found.why or 'not up in time'}" for name, found in bad.items())
    return StartFailed(f"{causes}; left started", evidence=evidence, hint=command("workloads show", names=(next(iter(bad)),)))


def _close(operation: Operation, done: list[str], cause: ProvisionError | None, ledger: Ledger, who: str) -> None:
    entries = [
        Entry(ledger.clock(), who, operation.kind, step.workload, step.before, *_outcome(step.workload, done, operation.kind, cause))
        for step in operation.steps
    ]
    journal.end_switch(ledger, operation, entries, enabled=operation.kind is Doing.START, names=done)


def _outcome(name: str, done: list[str], kind: Doing, cause: ProvisionError | None) -> tuple[str, str]:
    """A stop that was reached is done whatever came after it; a start is done when all are up."""
    if cause is None or (kind is Doing.STOP and name in done):
        return "done", ""
    return "failed", str(cause)
