"""Apply staged workloads as one transaction. Needs no network but the node's own."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from kelvin_provision.applying.facts import render_staged
from kelvin_provision.applying.gate import obstacle
from kelvin_provision.applying.hooks import around, document
from kelvin_provision.applying.observe import observe, unfinished_updates
from kelvin_provision.applying.plan import Prepared, prepare
from kelvin_provision.applying.policy import ApplyPolicy, policy_of
from kelvin_provision.applying.selection import Selection, choose, refuse_unready, select
from kelvin_provision.applying.transaction import carry_out
from kelvin_provision.context import Context
from kelvin_provision.errors import ApplyFailed, ApplyLeft, Interrupted, NothingStaged, ProvisionError, UndoFailed
from kelvin_provision.ledger import history, journal, staging_state
from kelvin_provision.ledger.model.operations import OnFailure
from kelvin_provision.ledger.model.workloads import Workload
from kelvin_provision.status import OperationKind
from kelvin_provision.usecases.operation import OrderTicket, Running, command_line, interrupted, look, operation


@dataclass(frozen=True)
class ApplyRequest:
    """Empty `names` means all staged workloads. Timeouts in seconds; None means the setting.

    `everything`: these names are what all staged workloads were at some time, so what has failed or would be refused since is left out.
    """

    names: tuple[str, ...] = ()
    timeout: float | None = None
    rollback_timeout: float | None = None
    on_failure: OnFailure = OnFailure.ROLL_BACK
    wait: bool = True
    force: bool = False
    retry_failed: bool = False
    everything: bool = False


@dataclass(frozen=True)
class AppliedWorkload:
    """`version_before` is None for a new workload; `unfinished` is what a person has to do so that nothing of it is left."""

    name: str
    app_name: str
    version: str
    version_before: str | None
    unfinished: str = ""


@dataclass(frozen=True)
class ApplyResult:
    """`waited` is False when the command did not check whether they came up."""

    applied: tuple[AppliedWorkload, ...] = ()
    warnings: tuple[str, ...] = ()
    waited: bool = True


def apply(ctx: Context, request: ApplyRequest, ticket: OrderTicket | None = None) -> ApplyResult:
    """Either all workloads come up, or all are rolled back.

    Raises UsageRefused, WorkloadUnknown, NothingStaged, StagingFailed, VersionRevoked, VersionRefused, NotReady, OutsideWindow,
    WorkloadHeld, PlanRefused, HookFailed, ApplyFailed, ApplyLeft, UndoFailed, Interrupted, Locked.
    """
    if ticket is None and not interrupted(ctx):
        # Without the lock first: where there is nothing to apply, that is the answer, not who holds the lock.
        refuse_unready(_chosen(ctx, request).workloads, ctx.store)
    ticket = ticket or OrderTicket(command_line("apply", request.names))
    policy = replace(policy_of(ctx.settings, request.timeout, request.rollback_timeout), on_failure=request.on_failure, wait=request.wait)
    with operation(ctx, ticket, policy) as running:
        if not ticket.still_valid():
            return ApplyResult(warnings=running.warnings)
        try:
            selection = _chosen(ctx, request)
        except NothingStaged:
            if running.applied.issuperset(request.names):
                # This very command was interrupted after the point of no return, and recovery has finished it.
                return ApplyResult(warnings=running.warnings)
            raise
        workloads = selection.workloads
        running.warn(*(f"left out: {reason}" for reason in selection.left_out))
        if not workloads:
            return ApplyResult(warnings=running.warnings)
        refuse_unready(workloads, ctx.store)
        if not request.force:
            refuse_closed(ctx, workloads)
        warnings = _apply(ctx, running, workloads, policy)
    unfinished = unfinished_updates(ctx.ledger, [workload.name for workload in workloads])
    applied = tuple(_result(workload, unfinished.get(workload.name, "")) for workload in workloads)
    return ApplyResult(applied, (*running.warnings, *warnings), waited=request.wait)


def _chosen(ctx: Context, request: ApplyRequest) -> Selection:
    workloads = choose(ctx.ledger, request.names, everything=not request.names)
    selection = select(workloads, everything=request.everything or not request.names, retry_failed=request.retry_failed)
    damaged = ctx.ledger.readable_staged().damaged if not request.names else {}
    if damaged and not selection.workloads:
        raise next(iter(damaged.values()))
    return replace(selection, left_out=(*selection.left_out, *(f"{name}: {why}" for name, why in damaged.items())))


def refuse_closed(ctx: Context, workloads: Sequence[Workload]) -> None:
    """Raise OutsideWindow or WorkloadHeld. Asks the cluster for holds first, and records what it answers."""
    names = [workload.name for workload in workloads]
    if any(workload.running for workload in workloads):
        observe(ctx, names)
    closed = obstacle(ctx.ledger.workloads(names), ctx.settings.apply.window, ctx.now)
    if closed is not None:
        raise closed


def _apply(ctx: Context, running: Running, workloads: Sequence[Workload], policy: ApplyPolicy) -> tuple[str, ...]:
    """Run one transaction between its hooks; returns warnings besides those of `running`.

    The objects are stored with their revision before the cluster is changed, so that a later rollback applies the same objects. A failure
    is stored as well: a group with instant apply then waits for a person instead of failing again and again.
    """
    try:
        prepared = prepare(ctx, render_staged(ctx, workloads), hooks=True)
        for workload in workloads:
            if workload.staged:
                ctx.ledger.set_objects(workload.staged, prepared.objects[workload.name])
                ctx.ledger.advance(workload.staged, staging_state.Tried())
        of_hooks: tuple[str, ...] = ()
        with running.committed(ctx):
            of_hooks = _carry_out(ctx, workloads, prepared, policy)
    except (ApplyFailed, Interrupted, UndoFailed):
        raise  # the transaction records these itself, in the commit that ends it
    except ProvisionError as error:
        with suppress(ProvisionError):  # a full disk must not hide why it was not applied
            _record(ctx, workloads, error)
        raise
    finally:
        look(ctx, running, [workload.name for workload in workloads])
    return (*prepared.plan.notes, *of_hooks)


def _carry_out(ctx: Context, workloads: Sequence[Workload], prepared: Prepared, policy: ApplyPolicy) -> tuple[str, ...]:
    return around(ctx, document(workloads, prepared.plan, ctx.actor), lambda: carry_out(ctx, prepared, policy))


def _record(ctx: Context, workloads: Sequence[Workload], error: ProvisionError) -> None:
    """Keep the error with the revisions, and in the history unless the transaction has written it there."""
    if journal.unfinished(ctx.ledger) is not None:
        return  # it is committed, and the cluster went away while it was finished: recovery does the rest
    _keep_cause(ctx, workloads, error)
    if not isinstance(error, ApplyLeft):
        staged = [workload.staged for workload in workloads if workload.staged]
        history.record_refused(ctx.ledger, staged, OperationKind.APPLY, str(error), error.evidence, actor=ctx.actor)


def _keep_cause(ctx: Context, workloads: Sequence[Workload], error: ProvisionError) -> None:
    for workload in workloads:
        if workload.staged:
            revision = workload.staged
            text = f"version {revision.spec.app_version} was not applied: {error}"
            # What was refused is refused again at once; only what was tried may take long, or interrupt what runs, once more.
            blocks = not error.temporary and (revision.spec.method.instantly_apply or isinstance(error, ApplyLeft))
            ctx.ledger.advance(revision, staging_state.ApplyFailed(text, blocks=blocks))


def _result(workload: Workload, unfinished: str) -> AppliedWorkload:
    spec, before = (workload.staged or workload.shown).spec, workload.running
    return AppliedWorkload(workload.name, spec.app_name, spec.app_version, before.spec.app_version if before else None, unfinished)
