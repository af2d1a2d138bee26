"""Start and stop: the running revision stays on the box with its data while it is stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kelvin_provision.applying import start_stop
from kelvin_provision.applying.observe import observe
from kelvin_provision.applying.plan import prepare
from kelvin_provision.applying.policy import policy_of
from kelvin_provision.applying.target import Target
from kelvin_provision.context import Context
from kelvin_provision.errors import NothingApplied
from kelvin_provision.hints import command
from kelvin_provision.ledger import journal, orders, requests
from kelvin_provision.ledger.model.operations import Phase, Step
from kelvin_provision.ledger.model.workloads import Workload
from kelvin_provision.observation import Observed
from kelvin_provision.status import OperationKind, Verb
from kelvin_provision.usecases.operation import OrderTicket, Running, command_line, look, operation, refusal_recorded


@dataclass(frozen=True)
class StartStopResult:
    """`workloads` as requested; `changed` are the names of those that were started or stopped."""

    workloads: tuple[Workload, ...]
    changed: frozenset[str]
    warnings: tuple[str, ...] = ()


def stop(ctx: Context, names: Sequence[str], *, ticket: OrderTicket | None = None) -> StartStopResult:
    """Stop running workloads; skip the others. Raises WorkloadUnknown, and errors of the cluster."""
    ctx.ledger.workloads(names)
    ticket = ticket or OrderTicket(command_line("stop", names))
    with operation(ctx, ticket) as running:
        if not ticket.still_valid():
            return StartStopResult((), frozenset(), running.warnings)
        if ticket.order is None:
            _cancel_contrary(ctx, running, names, Verb.START, "stopped")
        before = ctx.ledger.workloads(names)
        todo: list[Workload] = []
        if any(workload.running for workload in before):
            todo = [
                workload
                for workload in _observed(ctx, names)
                if workload.running and (workload.enabled or not _is(workload, Observed.STOPPED))
            ]
        if todo:
            journaled = journal.begin(
                ctx.ledger, OperationKind.STOP, Phase.FINISHING, [_step(workload) for workload in todo], actor=ctx.actor, order=ticket.order
            )
            try:
                start_stop.stop(ctx, journaled)
            finally:
                look(ctx, running, [workload.name for workload in todo])
    return StartStopResult(before, frozenset(workload.name for workload in todo), running.warnings)


def start(ctx: Context, names: Sequence[str], *, timeout: float | None = None, ticket: OrderTicket | None = None) -> StartStopResult:
    """Start stopped workloads and wait until they are up.

    Raises WorkloadUnknown, NothingApplied, PlanRefused (such as a port that was taken meanwhile), StartFailed, Interrupted.
    """
    ctx.ledger.workloads(names)
    ticket = ticket or OrderTicket(command_line("start", names))
    policy = policy_of(ctx.settings, timeout)
    with operation(ctx, ticket, policy) as running:
        if not ticket.still_valid():
            return StartStopResult((), frozenset(), running.warnings)
        if ticket.order is None:
            _cancel_contrary(ctx, running, names, Verb.STOP, "started")
        before = ctx.ledger.workloads(names)
        _refuse_never_applied(before)
        todo = [workload for workload in _observed(ctx, names) if not (workload.enabled and _is(workload, Observed.RUNNING))]
        if todo:
            targets = [Target(workload, workload.running, workload.running.objects or ()) for workload in todo if workload.running]
            with refusal_recorded(ctx, OperationKind.START, [target.revision for target in targets]):
                prepare(ctx, targets, hooks=False)
            journaled = journal.begin(
                ctx.ledger,
                OperationKind.START,
                Phase.FINISHING,
                [_step(workload) for workload in todo],
                actor=ctx.actor,
                order=ticket.order,
            )
            try:
                start_stop.start(ctx, journaled, policy.forward)
            finally:
                look(ctx, running, [workload.name for workload in todo])
    return StartStopResult(before, frozenset(workload.name for workload in todo), running.warnings)


def _cancel_contrary(ctx: Context, running: Running, names: Sequence[str], verb: Verb, done: str) -> None:
    """A command does not wait for its turn: an order that was accepted before it would take back what it does."""
    note = f"{ctx.actor} {done} {', '.join(names)}"
    running.warn(*requests.cancellations(orders.cancel_naming(ctx.ledger, names, actor=ctx.actor, verb=verb, note=note)))


def _refuse_never_applied(workloads: Sequence[Workload]) -> None:
    bare = [workload.name for workload in workloads if workload.running is None]
    if bare:
        raise NothingApplied(f"nothing of {', '.join(bare)} was ever applied", hint=command("workloads apply", names=(bare[0],)))


def _observed(ctx: Context, names: Sequence[str]) -> tuple[Workload, ...]:
    """Observe these workloads, then read them again."""
    observe(ctx, names)
    return ctx.ledger.workloads(names)


def _step(workload: Workload) -> Step:
    number = workload.running.number if workload.running else None
    return Step(workload.name, number, number)


def _is(workload: Workload, observed: Observed) -> bool:
    """Whether this was observed just now. If the cluster did not answer, it is False."""
    observation = workload.observation
    return observation is not None and observation.reachable and observation.observed is observed
