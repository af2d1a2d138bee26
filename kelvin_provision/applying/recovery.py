"""Recovery after a crash: the open operation of the journal is finished or undone, and reported."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from kelvin_provision.applying import start_stop
from kelvin_provision.applying.policy import ApplyPolicy
from kelvin_provision.applying.transaction import finish, leave
from kelvin_provision.applying.undo import Cause, undo
from kelvin_provision.context import Context
from kelvin_provision.errors import ClusterRefused, Interrupted, ProvisionError, RemovalUnfinished, StateDamaged
from kelvin_provision.events import Finished, Note, Started
from kelvin_provision.ledger import journal
from kelvin_provision.ledger.model.operations import Entry, OnFailure, Operation, Step
from kelvin_provision.ledger.model.operations import Phase as Stage
from kelvin_provision.ledger.model.orders import Order
from kelvin_provision.ledger.model.workloads import Workload
from kelvin_provision.spec.workload import Object
from kelvin_provision.staging.threads import SIDE_BY_SIDE, side_by_side
from kelvin_provision.status import OperationKind


@dataclass(frozen=True)
class Recovered:
    """What recovery did, in words; `finished` is the operation that it carried to its end, None where it undid one or had none."""

    reports: tuple[str, ...] = ()
    finished: Operation | None = None

    @property
    def applied(self) -> frozenset[str]:
        """Workloads of an apply that it finished."""
        finished = self.finished
        return frozenset(step.workload for step in finished.steps) if finished and finished.kind is OperationKind.APPLY else frozenset()

    def carried_out(self, kind: OperationKind, names: Collection[str]) -> bool:
        """Whether it finished just this change: a repeated request for it is done already."""
        finished = self.finished
        return finished is not None and finished.kind is kind and {step.workload for step in finished.steps} == set(names)


def recover(ctx: Context, policy: ApplyPolicy) -> Recovered:
    """Finish or undo what a crash left; returns messages. Needs the operator lock, and comes before any other change.

    An operation that cannot be recovered because of a damaged row is closed as it is, so that it does not block changes of other workloads.
    """
    try:
        return _recover(ctx, policy)
    except StateDamaged as error:
        names = ", ".join(journal.end_unreadable(ctx.ledger, error, actor=ctx.actor)) or "an unknown workload"
        report = f"an interrupted change of {names} was left unfinished, because {error}; `workloads list --live` shows what runs"
        ctx.progress(Note(report))
        return Recovered((report,))


def _recover(ctx: Context, policy: ApplyPolicy) -> Recovered:
    operation = journal.unfinished(ctx.ledger)
    if operation is None:
        return Recovered()
    names = ", ".join(step.workload for step in operation.steps)
    cause = f"interrupted {operation.kind} begun {operation.started}"
    match operation.phase:
        case Stage.FINISHING if operation.kind in {OperationKind.START, OperationKind.STOP}:
            failure = start_stop.resume(ctx, operation, policy.forward)
            how = f"resumed: {failure}" if failure else "finished"
            report = f"an interrupted {operation.kind} of {names} was {how}"
        case Stage.FINISHING:
            finish(ctx, operation, policy.keep)
            report = f"an interrupted {operation.kind} of {names} was finished"
        case Stage.REMOVING:
            try:
                remove(ctx, operation)
            except (ClusterRefused, RemovalUnfinished) as error:
                report = f"an interrupted undeploy of {names} could not be finished: {error}; run `workloads undeploy` again to continue"
                ctx.progress(Note(report))
                return Recovered((report,))
            report = f"an interrupted undeploy of {names} was finished"
        case Stage.APPLYING if operation.on_failure is OnFailure.KEEP:
            leave(ctx, operation, Interrupted(cause))
            report = f"an interrupted {operation.kind} of {names} was left as it is, as requested"
        case _:
            undo(ctx, operation, Cause(cause), policy.back)
            report = f"an interrupted {operation.kind} of {names} was undone"
    ctx.progress(Note(report))
    return Recovered((report,), operation if operation.phase in {Stage.FINISHING, Stage.REMOVING} else None)


@dataclass(frozen=True)
class Removed:
    """What an undeploy removed from the cluster, by workload, and the orders that it cancelled."""

    objects: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cancelled: tuple[Order, ...] = ()


def remove(ctx: Context, operation: Operation) -> Removed:
    """Carry out a journaled undeploy. Continues after a workload that cannot be removed, and raises the first such error at the end.

    A refusal closes the operation, and so does an object that is stuck in deletion: those workloads stay in the ledger, another undeploy
    continues, and other workloads can be changed in the meantime. Only a cluster that does not answer leaves the operation open.
    """

    def entry(step: Step, outcome: str, detail: str, evidence: Sequence[str] = ()) -> Entry:
        line = Entry(ctx.ledger.clock(), ctx.actor, operation.kind, step.workload, step.before, outcome, detail)
        return replace(line, evidence=tuple(evidence))

    objects, errors = _remove_each(ctx, [step.workload for step in operation.steps])
    gone = [step for step in operation.steps if step.workload in objects]
    failed = [step for step in operation.steps if step.workload in errors]
    entries = [entry(step, "done", ", ".join(objects[step.workload])) for step in gone]
    entries += [entry(step, "failed", str(errors[step.workload]), errors[step.workload].evidence) for step in failed]
    if failed and not gone:
        journal.end(ctx.ledger, operation, entries)
        raise next(iter(errors.values()))
    cancelled = journal.end_undeploy(ctx.ledger, replace(operation, steps=tuple(gone)), entries)
    if failed:
        raise next(iter(errors.values()))
    return Removed(objects, cancelled)


def _remove_each(ctx: Context, names: Sequence[str]) -> tuple[dict[str, tuple[str, ...]], dict[str, ProvisionError]]:
    """What was removed, and why the others could not be. One that is refused, as another of them uses it, is tried again after that."""
    objects: dict[str, tuple[str, ...]] = {}
    errors: dict[str, ProvisionError] = {}
    pending = list(names)
    while pending:
        for group in _in_order(ctx, pending):
            for name, result in side_by_side(partial(_remove_workload, ctx), group, limit=SIDE_BY_SIDE).items():
                errors.pop(name, None)
                if isinstance(result, ClusterRefused | RemovalUnfinished):
                    errors[name] = result
                elif isinstance(result, BaseException):
                    raise result
                else:
                    objects[name] = result
        refused = [name for name in pending if isinstance(errors.get(name), ClusterRefused)]
        pending = refused if len(refused) < len(pending) else []
    return objects, errors


def _remove_workload(ctx: Context, name: str) -> tuple[str, ...]:
    ctx.progress(Started(name, "removing"))
    try:
        objects = ctx.cluster.remove(name)
    except (ClusterRefused, RemovalUnfinished):
        ctx.progress(Finished(name, "not removed"))
        raise
    ctx.progress(Finished(name, "removed"))
    return objects


def _in_order(ctx: Context, names: Sequence[str]) -> list[list[str]]:
    """Groups, one after the other: what is put last goes first, such as custom resources, whose controller another workload may have."""
    if len(names) == 1:
        return [list(names)]
    known = ctx.ledger.readable(names).workloads
    desired = {name: _objects(known[name]) if name in known else () for name in names}
    numbers = {name: number for number, wave in enumerate(ctx.cluster.waves(desired)) for name, objects in wave.items() if objects}
    last = {name: numbers.get(name, 0) for name in names}
    return [[name for name in names if last[name] == number] for number in sorted(set(last.values()), reverse=True)]


def _objects(workload: Workload) -> Sequence[Object]:
    return [item for revision in (workload.running, workload.staged) if revision for item in revision.objects or ()]
