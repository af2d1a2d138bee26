"""Carrying out a journaled start or stop. After a crash it is repeated from its first step, never undone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from kelvin_provision.applying.waves import Waiting, put_in_waves
from kelvin_provision.cluster.health import Health, Phase, WaitPolicy, causes, not_up
from kelvin_provision.cluster.protocol import Cluster
from kelvin_provision.context import Context
from kelvin_provision.errors import Interrupted, ProvisionError, StartFailed
from kelvin_provision.events import Finished, Started
from kelvin_provision.hints import command
from kelvin_provision.ledger import journal
from kelvin_provision.ledger.model.operations import Entry, Operation
from kelvin_provision.spec.workload import Object
from kelvin_provision.staging.threads import SIDE_BY_SIDE, side_by_side
from kelvin_provision.status import OperationKind

Outcome = tuple[list[str], ProvisionError | None]
"""The workloads that were changed, and the error that ended it early."""


def resume(ctx: Context, operation: Operation, patience: WaitPolicy) -> ProvisionError | None:
    """Finish what a crash interrupted; returns why it failed, or None. Raises ClusterUnreachable and leaves the operation open."""
    quiet, stopping = replace(ctx, stop=lambda: False), operation.kind is OperationKind.STOP
    reached, cause = _stop(quiet, operation) if stopping else _start(quiet, operation, patience)
    if cause is not None and cause.temporary:
        raise cause
    _close(ctx, operation, reached, cause)
    return cause


def stop(ctx: Context, operation: Operation) -> None:
    """Stop all of them; raises errors of the cluster, after recording those that were stopped."""
    reached, cause = _stop(ctx, operation)
    _close(ctx, operation, reached, cause)
    if cause is not None:
        raise cause


def start(ctx: Context, operation: Operation, patience: WaitPolicy) -> None:
    """Start them and wait; raises StartFailed, Interrupted, or errors of the cluster. Started workloads stay started."""
    reached, cause = _start(ctx, operation, patience)
    _close(ctx, operation, reached, cause)
    if cause is not None:
        raise cause


def _stop(ctx: Context, operation: Operation) -> Outcome:
    """Side by side: each mostly waits for its containers to end."""
    cluster = ctx.cluster

    def stop_workload(name: str) -> None:
        ctx.progress(Started(name, "stopping"))
        cluster.stop(name)
        ctx.progress(Finished(name, "stopped"))

    results = side_by_side(stop_workload, [step.workload for step in operation.steps], limit=SIDE_BY_SIDE)
    for error in results.values():
        if isinstance(error, BaseException) and not isinstance(error, ProvisionError):
            raise error
    stopped = [step.workload for step in operation.steps if results[step.workload] is None]
    return stopped, next((error for error in results.values() if isinstance(error, ProvisionError)), None)


def _start(ctx: Context, operation: Operation, patience: WaitPolicy) -> Outcome:
    numbers = {step.workload: step.after for step in operation.steps if step.after is not None}
    started: list[str] = []

    def put(name: str, desired: Sequence[Object]) -> None:
        if ctx.stop():
            raise _interrupted(started)
        ctx.progress(Started(name, "starting"))
        ctx.cluster.put(name, desired, ctx.lookup)
        if name not in started:
            started.append(name)

    try:
        objects = {name: ctx.ledger.revision(name, number).objects or () for name, number in numbers.items()}
        health, left = put_in_waves(ctx.cluster, objects, put, Waiting(patience, ctx.progress, ctx.stop))
        health = health or ctx.cluster.wait(objects, left, ctx.progress, ctx.stop)
        for name, state in health.items():
            if state.phase is Phase.READY:
                ctx.cluster.finish(name, objects[name])
        states = not_up(health)
        if states and ctx.stop():
            return started, _interrupted(started)
        return started, _start_failed(states, ctx.cluster) if states else None
    except ProvisionError as error:
        return started, error


def _interrupted(started: list[str]) -> Interrupted:
    if not started:
        return Interrupted("stopped by a signal before anything was started")
    return Interrupted(f"stopped by a signal; {', '.join(started)}: started, and not waited for any longer")


def _start_failed(states: Mapping[str, Health], cluster: Cluster) -> StartFailed:
    evidence = [f"{name}: {line}" for name in states for line in cluster.evidence(name)]
    return StartFailed(f"{causes(states)}; left started", evidence=evidence, hint=command("workloads show", names=(next(iter(states)),)))


def _close(ctx: Context, operation: Operation, reached: list[str], cause: ProvisionError | None) -> None:
    now, entries = ctx.ledger.clock(), []
    for step in operation.steps:
        outcome, detail = _outcome(step.workload, reached, operation.kind, cause)
        evidence = cause.evidence if cause and outcome == "failed" else ()
        entries.append(Entry(now, ctx.actor, operation.kind, step.workload, step.before, outcome, detail, evidence=evidence))
    journal.end_switch(ctx.ledger, operation, entries, enabled=operation.kind is OperationKind.START, names=reached)


def _outcome(name: str, reached: list[str], kind: OperationKind, cause: ProvisionError | None) -> tuple[str, str]:
    """A stop is done once it was carried out, whatever came later; a start is done when all are up."""
    if cause is None or (kind is OperationKind.STOP and name in reached):
        return "done", ""
    return "failed", str(cause)
