"""Rollback: apply an earlier revision again, from the objects and images kept on this box. The staged revision is not touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from kelvin_provision.applying.observe import unfinished_updates
from kelvin_provision.applying.plan import prepare
from kelvin_provision.applying.policy import policy_of
from kelvin_provision.applying.target import TakenBack, Target
from kelvin_provision.applying.transaction import carry_out
from kelvin_provision.context import Context
from kelvin_provision.errors import NothingToRollBack, RevisionUnknown, StateDamaged, UsageRefused
from kelvin_provision.hints import command
from kelvin_provision.ledger import journal, orders
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model.operations import Step
from kelvin_provision.ledger.model.orders import Order, Outcome, replaced
from kelvin_provision.ledger.model.workloads import Revision, Workload
from kelvin_provision.ledger.reading.left import left_revisions, left_workloads
from kelvin_provision.ledger.staging_state import RolledBack
from kelvin_provision.status import OperationKind, Trouble, Verb
from kelvin_provision.usecases.operation import OrderTicket, command_line, interrupted, look, operation, refusal_recorded


@dataclass(frozen=True)
class RollbackRequest:
    """Without `to`, each workload returns to the revision that ran before. Timeouts in seconds; None means the setting."""

    names: tuple[str, ...]
    to: int | None = None
    timeout: float | None = None
    rollback_timeout: float | None = None


@dataclass(frozen=True)
class RollbackPlan:
    """`unchanged` run the requested revision already; the last apply of those in `left` failed and was kept (--no-rollback).

    `taken_back`: no version of them ran before the others got theirs, so they go, and are staged again (ADR 0033).
    """

    targets: tuple[Target, ...]
    unchanged: tuple[Workload, ...] = ()
    left: frozenset[str] = frozenset()
    taken_back: tuple[TakenBack, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What the rollback cannot guarantee."""
        return tuple(
            f"{target.name}: revision {target.revision.number} was not staged; the cluster has its image or must pull it"
            for target in self.targets
            if not target.revision.locks
        )


@dataclass(frozen=True)
class RollbackResult:
    """`unfinished`: by workload, what a person has to do so that nothing of the previous version is left."""

    plan: RollbackPlan
    warnings: tuple[str, ...] = ()
    unfinished: Mapping[str, str] = field(default_factory=dict)


def plan(ledger: Ledger, names: Sequence[str], to: int | None = None) -> RollbackPlan:
    """The revisions that a rollback applies. Raises UsageRefused, WorkloadUnknown, NothingToRollBack, RevisionUnknown.

    After a failed apply that was kept (--no-rollback), this is the revision that ran before it.
    """
    if to is not None and len(set(names)) > 1:
        raise UsageRefused("--to needs exactly one workload: each has its own revisions")
    left = left_workloads(ledger)
    workloads = ledger.workloads(names)
    taken_back = _new_members(ledger, workloads) if to is None else ()
    new = {each.name for each in taken_back}
    targets, unchanged = [], []
    for workload in workloads:
        if workload.name in new:
            continue
        revision = _revision(ledger, workload, to, left=workload.name in left)
        if workload.running and revision.number == workload.running.number and workload.name not in left:
            unchanged.append(workload)
        else:
            scale = journal.scale_before(ledger, workload.name, revision.number)
            targets.append(Target(workload, revision, revision.objects or (), scale))
    return RollbackPlan(tuple(targets), tuple(unchanged), left, taken_back)


def _new_members(ledger: Ledger, workloads: Sequence[Workload]) -> tuple[TakenBack, ...]:
    """Workloads of which the first version came up in the same apply as the running version of another one of these, which ran before."""
    steps: dict[str, tuple[int, Step]] = {}
    for workload in workloads:
        operation = journal.find(ledger, workload.running.applied) if workload.running and workload.running.applied else None
        for step in operation.steps if operation and operation.kind is OperationKind.APPLY else ():
            if operation and step.workload == workload.name:
                steps[workload.name] = (operation.id, step)
    updates = {number for number, step in steps.values() if step.before is not None}
    new = {name for name, (number, step) in steps.items() if step.before is None and number in updates}
    return tuple(TakenBack(workload, workload.running) for workload in workloads if workload.running and workload.name in new)


def _revision(ledger: Ledger, workload: Workload, to: int | None, *, left: bool) -> Revision:
    running, kept = workload.running, ledger.kept(workload.name)
    if running is None:
        hint = command(f"workloads {'undeploy' if left else 'apply'}", names=(workload.name,))
        staged = workload.staged
        if staged and staged.slot.trouble is Trouble.ROLLED_BACK:
            hint = command("workloads apply", names=(workload.name,))
            raise NothingToRollBack(
                f"{workload.name} does not run: its version {staged.spec.app_version} was rolled back already", hint=hint
            )
        raise NothingToRollBack(f"no version of {workload.name} has ever come up", hint=hint)
    if to is None:
        earlier = [running] if left else [revision for revision in kept if revision.number < running.number]
        if not earlier:
            later = [f"revision {revision.number}, version {revision.spec.app_version}" for revision in kept]
            raise NothingToRollBack(
                f"no version of {workload.name} earlier than {running.spec.app_version} is kept on this box",
                hint=command("workloads history", names=(workload.name,)),
                evidence=[f"later and kept: {text}; --to goes there" for text in later],
            )
        return earlier[0]
    for revision in (running, *kept):
        if revision.number == to:
            return revision
    raise RevisionUnknown(
        f"{workload.name} has no revision {to} that came up and is kept on this box",
        hint=command("workloads history", names=(workload.name,)),
        evidence=[f"revision {revision.number}: version {revision.spec.app_version}" for revision in (running, *kept)],
    )


def rollback(ctx: Context, request: RollbackRequest, ticket: OrderTicket | None = None) -> RollbackResult:
    """One transaction, like an apply. Raises what `plan` and a transaction raise, and PlanRefused."""
    if not interrupted(ctx):  # else recovery is first: it may finish this very rollback, from where there is no way back any more
        plan(ctx.ledger, request.names, request.to)
    ticket = ticket or OrderTicket(command_line("rollback", request.names))
    policy = policy_of(ctx.settings, request.timeout, request.rollback_timeout)
    with operation(ctx, ticket, policy) as running:
        if not ticket.still_valid():
            return RollbackResult(RollbackPlan(()), running.warnings)
        if ticket.order and request.to is None and _cancel_moved(ctx, ticket.order):
            return RollbackResult(RollbackPlan(()), running.warnings)
        if ticket.order is None and request.to is None and running.recovered.carried_out(OperationKind.ROLLBACK, request.names):
            # This very command was interrupted after the point of no return. Going on would go one version too far.
            return RollbackResult(RollbackPlan((), ctx.ledger.workloads(request.names)), running.warnings)
        chosen = plan(ctx.ledger, request.names, request.to)  # once more: recovery may have moved something
        if not chosen.targets:
            return RollbackResult(chosen, running.warnings)
        with refusal_recorded(ctx, OperationKind.ROLLBACK, [target.revision for target in chosen.targets]):
            prepared = prepare(ctx, chosen.targets, chosen.taken_back, hooks=False)
        try:
            with running.committed(ctx):
                carry_out(ctx, prepared, policy, OperationKind.ROLLBACK, order=ticket.order)
            with running.afterwards("the rollback of the failed apply was not recorded"):
                _note_taken_back(ctx.ledger, chosen)
        finally:
            look(ctx, running, [target.name for target in chosen.targets])
    unfinished = unfinished_updates(ctx.ledger, [target.name for target in chosen.targets])
    return RollbackResult(chosen, (*running.warnings, *chosen.notes, *prepared.plan.notes), unfinished)


def _origins(ledger: Ledger, workloads: Sequence[Workload]) -> dict[str, int | None]:
    """What a rollback would go back from: the revision on the cluster, after a failed apply that was kept not the running one."""
    left = left_revisions(ledger)
    return {each.name: left.get(each.name) or (each.running.number if each.running else None) for each in workloads}


def expected_origins(ledger: Ledger, workloads: Sequence[Workload]) -> dict[str, int | None]:
    """What a rollback that is ordered now goes back from: what is being applied, or was ordered to be, comes up before its turn."""
    under_way = None
    with suppress(StateDamaged):
        under_way = journal.unfinished(ledger)
    steps = under_way.steps if under_way and under_way.kind is OperationKind.APPLY else ()
    applies = [order for each in workloads for order in each.orders if order.verb is Verb.APPLY and order.at is None]
    ordered = {target.workload: target.revision for order in applies for target in order.targets}
    return _origins(ledger, workloads) | {step.workload: step.after for step in steps} | ordered


def _cancel_moved(ctx: Context, order: Order) -> bool:
    """Cancel the order if the version that it was to go back from is gone: going back now would go one version too far.

    Returns whether it did.
    """
    origins = _origins(ctx.ledger, ctx.ledger.workloads(order.names))
    moved = replaced((target for target in order.targets if target.revision is not None), origins)
    if moved:
        orders.end(ctx.ledger, order, Outcome.CANCELLED, f"{', '.join(moved)} changed since", actor=ctx.actor)
    return bool(moved)


def _note_taken_back(ledger: Ledger, chosen: RollbackPlan) -> None:
    """Record in the staged revision that its failed apply, which was kept, has been rolled back."""
    for target in chosen.targets:
        staged = target.workload.staged
        if staged and target.name in chosen.left:
            text = f"version {staged.spec.app_version} did not come up and was rolled back"
            ledger.advance(staged, RolledBack(text))
