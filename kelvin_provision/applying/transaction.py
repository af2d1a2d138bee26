"""The transaction: several workloads changed as one. Journal, put, wait, then finish all or undo all.

Its only memory is the journal, from which recovery continues after a crash (`applying.recovery`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import NoReturn

from kelvin_provision.applying.plan import Prepared
from kelvin_provision.applying.policy import ApplyPolicy
from kelvin_provision.applying.undo import Cause, known_objects, undo
from kelvin_provision.applying.waves import Waiting, put_in_waves
from kelvin_provision.cluster.health import Health, WaitPolicy, causes, not_up
from kelvin_provision.cluster.protocol import UNSCALED, Cluster
from kelvin_provision.context import Context
from kelvin_provision.errors import ApplyFailed, ApplyLeft, ClusterRefused, Interrupted, ProvisionError, StateDamaged, UndoFailed
from kelvin_provision.events import Note, Started
from kelvin_provision.hints import Hint, command
from kelvin_provision.images import local_names
from kelvin_provision.ledger import journal
from kelvin_provision.ledger.model.operations import Ending, Entry, FailureHandling, OnFailure, Operation, Step
from kelvin_provision.ledger.model.operations import Phase as Stage
from kelvin_provision.ledger.model.orders import Order
from kelvin_provision.spec.workload import Object
from kelvin_provision.status import OperationKind


def carry_out(
    ctx: Context, prepared: Prepared, policy: ApplyPolicy, kind: OperationKind = OperationKind.APPLY, *, order: Order | None = None
) -> None:
    """Either all come up, or all are undone. Raises ApplyFailed or Interrupted (undone), UndoFailed (the undo failed too).

    With KEEP nothing is undone: ApplyLeft, or Interrupted. Without `wait` nothing checks whether they come up; what the cluster rejects
    is still undone.
    """
    if ctx.stop():
        raise Interrupted("stopped by a signal; nothing was changed")
    handling = FailureHandling(policy.on_failure, policy.wait)
    steps = _with_scales(ctx, prepared.steps)
    operation = journal.begin(ctx.ledger, kind, Stage.APPLYING, steps, handling=handling, actor=ctx.actor, order=order)
    try:
        _bring_up(ctx, operation, prepared, policy.forward)
        journal.commit(ctx.ledger, operation)
    except ProvisionError as cause:
        _take_back(ctx, operation, cause, policy, kind)
    else:
        finish(ctx, operation, policy.keep)


def _with_scales(ctx: Context, steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps with what was scaled on the cluster: a new version may set other numbers, and a way back restores them."""
    applied: dict[str, Sequence[Object]] = {}
    for step in steps:
        with suppress(ClusterRefused, StateDamaged):  # forgotten objects: the undo will say so, if there is one
            applied[step.workload] = known_objects(ctx.ledger, step.workload, step.before)
    scales = ctx.cluster.scales({name: objects for name, objects in applied.items() if objects})
    return tuple(replace(step, scale=tuple(scales.get(step.workload, UNSCALED).items())) for step in steps)


def _take_back(ctx: Context, operation: Operation, cause: ProvisionError, policy: ApplyPolicy, kind: OperationKind) -> NoReturn:
    """Undo the operation, or keep it with OnFailure.KEEP; raises the result."""
    if policy.on_failure is OnFailure.KEEP:
        raise leave(ctx, operation, cause) from cause
    if isinstance(cause, Interrupted):
        ctx.progress(Note(f"{cause}: undoing {', '.join(step.workload for step in operation.steps)}"))
    try:
        undo(ctx, operation, Cause.of(cause, of_new_version=kind is OperationKind.APPLY), policy.back)
    except UndoFailed as error:
        raise UndoFailed(str(error), hint=error.hint, evidence=(*error.evidence, *cause.evidence)) from cause
    failure = Interrupted if isinstance(cause, Interrupted) else ApplyFailed
    raise failure(f"{cause}; rolled back to what ran before", hint=cause.hint, evidence=cause.evidence) from cause


def _bring_up(ctx: Context, operation: Operation, prepared: Prepared, patience: WaitPolicy) -> None:
    """Put all and wait until all are up; raises the cause of a failure. Undoes nothing."""

    def put(workload: str, objects: Sequence[Object]) -> None:
        ctx.progress(Started(workload, "applying"))
        ctx.cluster.put(workload, objects, ctx.lookup, prepared.scales.get(workload, UNSCALED))
        if ctx.stop():
            raise Interrupted("stopped by a signal")

    local_names.put(ctx.ledger, lambda: ctx.runtime, {step.workload: step.after for step in operation.steps})
    ctx.cluster.release(prepared.objects)
    desired = {workload: objects for workload, objects in prepared.objects.items() if objects}
    health, left = put_in_waves(ctx.cluster, desired, put, Waiting(patience, ctx.progress, ctx.stop))
    if not health:
        if not operation.wait:
            return
        health = ctx.cluster.wait(desired, left, ctx.progress, ctx.stop)
    _judge(health, operation.steps, ctx.cluster, stopped=ctx.stop())


def _judge(health: Mapping[str, Health], steps: Sequence[Step], cluster: Cluster, *, stopped: bool) -> None:
    """Raise the cause if they are not all up, with evidence from before the undo."""
    if stopped:
        raise Interrupted("stopped by a signal")
    states = not_up({step.workload: health[step.workload] for step in steps if step.workload in health})
    if not states:
        return
    evidence = [f"{name}: {line}" for name in states for line in cluster.evidence(name)]
    raise ApplyFailed(causes(states), evidence=evidence, hint=command("workloads show", names=(next(iter(states)),)))


def finish(ctx: Context, operation: Operation, keep: int) -> None:
    """After the point of no return: remove the old versions, close the journal.

    A permanent rejection by the cluster must not block every later command: it is written to the history, and the next observation
    shows the result.
    """
    entries = []
    # What is taken off the cluster goes last: it may be what removes objects of the others.
    for step in sorted(operation.steps, key=lambda step: step.after is None):
        detail = _finish_step(ctx, step)
        done = "done" if operation.wait else "done, not waited for"
        outcome = "done, not tidied" if detail else done
        if step.after is None:
            detail = "; ".join(filter(None, ["no version runs; this one is staged again", detail]))
        number = step.before if step.after is None else step.after
        entries.append(Entry(ctx.ledger.clock(), ctx.actor, operation.kind, step.workload, number, outcome, detail))
    journal.end(ctx.ledger, operation, entries, keep=keep)


def _finish_step(ctx: Context, step: Step) -> str:
    """The rejection of the cluster, or None. What was committed and then removed by another client is put once more, as it is scaled."""
    try:
        objects = known_objects(ctx.ledger, step.workload, step.after)
        try:
            ctx.cluster.finish(step.workload, objects)
        except ClusterRefused:
            scale = ctx.cluster.scales({step.workload: objects}).get(step.workload, UNSCALED)
            ctx.cluster.put(step.workload, objects, ctx.lookup, scale)
            ctx.cluster.finish(step.workload, objects)
    except ProvisionError as error:
        if error.temporary:
            raise
        return str(error)
    return ""


def leave(ctx: Context, operation: Operation, cause: ProvisionError) -> ProvisionError:
    """Close the operation without changing the cluster; returns the error to raise. The slots stay, so an apply can be repeated."""
    entries = [
        Entry(
            ctx.ledger.clock(),
            ctx.actor,
            operation.kind,
            step.workload,
            step.after,
            Ending.LEFT,
            str(cause),
            evidence=cause.evidence,
        )
        for step in operation.steps
    ]
    journal.end_left(ctx.ledger, operation, entries)
    kind = Interrupted if isinstance(cause, Interrupted) else ApplyLeft
    return kind(f"{cause}; kept as it is", hint=_undo_hint(operation), evidence=cause.evidence)


def _undo_hint(operation: Operation) -> Hint:
    """A new workload has no version to roll back to."""
    old = [step.workload for step in operation.steps if step.before is not None]
    verb, names = ("rollback", old) if old else ("undeploy", [step.workload for step in operation.steps])
    return command(f"workloads {verb}", names=tuple(names))
