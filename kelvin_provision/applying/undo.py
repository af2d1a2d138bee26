"""The undo: put back what ran before, and say what is certain afterwards."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass

from kelvin_provision.cluster.health import Health, Phase, WaitPolicy
from kelvin_provision.context import Context
from kelvin_provision.errors import ClusterRefused, Interrupted, ProvisionError, RemovalUnfinished, UndoFailed, WorkloadUnknown
from kelvin_provision.events import Finished, Started
from kelvin_provision.hints import Hint, command
from kelvin_provision.images import local_names
from kelvin_provision.ledger import history, journal
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model.operations import Ending, Entry, Operation
from kelvin_provision.ledger.model.operations import Phase as Stage
from kelvin_provision.spec.workload import Object


@dataclass(frozen=True)
class Cause:
    """Why an operation is undone. `blame` is stored with the revisions that did not come up; with `blocks` they wait for a person.

    A signal is no failure of a revision. If the cluster was unreachable, the revision may be tried again as it is.
    """

    text: str
    evidence: tuple[str, ...] = ()
    blame: bool = False
    blocks: bool = False

    @classmethod
    def of(cls, error: ProvisionError, *, of_new_version: bool) -> Cause:
        """`of_new_version`: whether the operation tried a new revision; the failure of a rollback says nothing about its target."""
        blame = of_new_version and not isinstance(error, Interrupted)
        return cls(str(error), error.evidence, blame, blame and not error.temporary)


@dataclass(frozen=True)
class _Result:
    """The result of the undo: what is up again, and the workloads whose objects could not be put back."""

    health: Mapping[str, Health]
    errors: Mapping[str, ProvisionError]

    @property
    def complete(self) -> bool:
        return not self.errors and all(health.phase is Phase.READY for health in self.health.values())


def undo(ctx: Context, operation: Operation, cause: Cause, patience: WaitPolicy) -> None:
    """Undo the steps in reverse order; raises UndoFailed when the old version does not come up.

    When the cluster does not answer, the operation stays in the journal and the next command tries again. When the cluster rejects the
    objects, what was deleted hangs, or the old version does not come up, trying again would not help: the operation is closed as failed,
    so that other workloads can be changed.
    """
    with suppress(ProvisionError):
        # A full disk must not stop the undo: recovery undoes an operation that is still APPLYING as well.
        journal.set_phase(ctx.ledger, operation, Stage.UNDOING)
    for step in operation.steps:
        with suppress(ProvisionError):  # without a runtime, the agent sets them again once it answers
            local_names.put(ctx.ledger, lambda: ctx.runtime, {step.workload: step.before})
    result = _revert(ctx, operation, patience)
    hanging = {name: error for name, error in result.errors.items() if isinstance(error, RemovalUnfinished)}
    temporary = next((error for name, error in result.errors.items() if error.temporary and name not in hanging), None)
    if temporary is not None:
        _record_evidence(ctx, operation, cause)
        message = f"{cause.text}; the undo could not be completed: {temporary}"
        raise UndoFailed(message, hint=temporary.hint, evidence=(*_certain(operation, result), *temporary.evidence))
    outcome = Ending.UNDONE if result.complete else Ending.UNDO_FAILED
    held = [line for error in hanging.values() for line in error.evidence]
    evidence = cause.evidence if result.complete else (*_certain(operation, result), *held, *cause.evidence)
    now = ctx.ledger.clock()
    entries = [
        Entry(now, ctx.actor, operation.kind, step.workload, step.after, outcome, cause.text, evidence=evidence) for step in operation.steps
    ]
    journal.end(ctx.ledger, operation, entries, blame=cause.text if cause.blame else None, blocked=cause.blocks)
    with suppress(ProvisionError):  # the next change does it again
        local_names.tidy(ctx.ledger, lambda: ctx.runtime)
    for step in operation.steps:
        detail = "back to what ran before" if result.complete else "not undone" if hanging else "the earlier version does not come up"
        ctx.progress(Finished(step.workload, "failed", detail))
    if not result.complete:
        why = "the earlier version does not come up again"
        if hanging:
            why = f"the undo could not be completed: {next(iter(hanging.values()))}"
        raise UndoFailed(f"{cause.text}; {why}", hint=_next(operation, hanging), evidence=(*_certain(operation, result), *held))


def _next(operation: Operation, hanging: Collection[str]) -> Hint:
    """Nothing continues the removal of a new workload but an undeploy of it."""
    left = tuple(step.workload for step in operation.steps if step.workload in hanging and step.before is None)
    if left:
        return command("workloads undeploy", names=left, note="it removes the objects that are left")
    return command("workloads show", "--live", names=(next(iter(hanging), operation.steps[0].workload),))


def _record_evidence(ctx: Context, operation: Operation, cause: Cause) -> None:
    """Recovery finishes the undo and knows nothing of what was gathered before it. A full disk must not hide why the undo failed."""
    with suppress(ProvisionError), ctx.ledger.writing():
        for step in operation.steps if cause.evidence else ():
            now, outcome = ctx.ledger.clock(), "failed, not undone yet"
            line = Entry(now, ctx.actor, operation.kind, step.workload, step.after, outcome, cause.text, evidence=cause.evidence)
            history.record(ctx.ledger, line)


def _revert(ctx: Context, operation: Operation, patience: WaitPolicy) -> _Result:
    """Put back every workload that can be, then wait for those that ran. A failure of one does not keep the others from it."""
    # A commit enables workloads, so before it this still says which of them were stopped.
    workloads = ctx.ledger.existing([step.workload for step in operation.steps])
    stopped = {name for name, workload in workloads.items() if workload.running and not workload.enabled}
    _release(ctx, operation)
    old, errors = _put_back(ctx, operation, stopped)
    waited = {name: objects for name, objects in old.items() if objects and name not in stopped and name not in errors}
    health: Mapping[str, Health] = {}
    try:
        health = ctx.cluster.wait(waited, patience, ctx.progress, lambda: False) if waited else {}
    except ProvisionError as error:
        errors |= dict.fromkeys(waited, error)
    return _Result(health, errors)


def _put_back(
    ctx: Context, operation: Operation, stopped: Collection[str]
) -> tuple[dict[str, tuple[Object, ...]], dict[str, ProvisionError]]:
    """The objects of each workload, and why some could not be put back.

    One that is refused, as another of them uses what it brought, is tried again after that.
    """
    old: dict[str, tuple[Object, ...]] = {}
    errors: dict[str, ProvisionError] = {}
    pending = list(reversed(operation.steps))
    while pending:
        for step in pending:
            errors.pop(step.workload, None)
            ctx.progress(Started(step.workload, "undoing"))
            try:
                old[step.workload] = known_objects(ctx.ledger, step.workload, step.before)
                ctx.cluster.revert(step.workload, old[step.workload], ctx.lookup, dict(step.scale))
                if step.workload in stopped:
                    ctx.cluster.stop(step.workload)
            except ProvisionError as error:
                errors[step.workload] = error
        refused = [step for step in pending if isinstance(errors.get(step.workload), ClusterRefused)]
        pending = refused if len(refused) < len(pending) else []
    return old, errors


def _release(ctx: Context, operation: Operation) -> None:
    """Ports that the new versions took over from each other. What goes wrong here is seen when the objects are put back.

    A workload whose objects are not known is left out: the others give back theirs all the same.
    """
    known: dict[str, tuple[Object, ...]] = {}
    for step in operation.steps:
        with suppress(ProvisionError):
            known[step.workload] = known_objects(ctx.ledger, step.workload, step.before)
    with suppress(ProvisionError):
        ctx.cluster.release(known)


def _certain(operation: Operation, result: _Result) -> list[str]:
    """What is certain, one line for each workload."""
    lines = []
    for step in operation.steps:
        health, error = result.health.get(step.workload), result.errors.get(step.workload)
        if error is not None:
            state = f"not certain: it may be the old version, the new one or both ({error})"
        elif health is None:
            state = "certain: nothing of it is left" if step.before is None else "certain: stopped, as it was before"
        elif health.phase is Phase.READY:
            state = "certain: the earlier version is up"
        else:
            state = f"certain: the earlier version is requested but not up: {health.why}"
        lines.append(f"{step.workload}: {state}")
    return lines


def known_objects(ledger: Ledger, workload: str, number: int | None) -> tuple[Object, ...]:
    """The rendered objects of a revision; empty for None.

    Raises ClusterRefused for a revision that is no longer stored: without its objects it would look as if there were none, and the undo
    would remove the workload.
    """
    if number is None:
        return ()
    try:
        objects = ledger.revision(workload, number).objects
    except WorkloadUnknown:
        objects = None
    if not objects:
        raise ClusterRefused(f"the objects of revision {number} of {workload} are no longer known")
    return objects
