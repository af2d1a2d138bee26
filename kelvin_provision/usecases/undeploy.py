"""Undeploy: remove workloads with their data on this box, or only their staged revisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from kelvin_provision.applying import recovery
from kelvin_provision.applying.recovery import Removed
from kelvin_provision.applying.selection import refuse_bare
from kelvin_provision.context import Context
from kelvin_provision.errors import NotReady
from kelvin_provision.ledger import journal, orders, requests
from kelvin_provision.ledger.model.operations import Operation, Phase, Step
from kelvin_provision.ledger.model.orders import Order, Outcome, Target, replaced
from kelvin_provision.ledger.model.workloads import Workload
from kelvin_provision.ledger.reading.left import left_workloads
from kelvin_provision.ledger.rows.workloads import unreadable
from kelvin_provision.spec.enums import VolumeKind
from kelvin_provision.status import OperationKind
from kelvin_provision.usecases.operation import OrderTicket, command_line, free_images, interrupted, operation


@dataclass(frozen=True)
class UndeployRequest:
    """With `staged`, the running revision is not touched. `seen`: the staged revisions that a person has looked at, and no others."""

    names: tuple[str, ...]
    staged: bool = False
    seen: tuple[Target, ...] = ()


@dataclass(frozen=True)
class UndeployResult:
    """`removed` are names; `objects` were deleted on the cluster, by workload; `freed` are bytes in the image store."""

    removed: tuple[str, ...] = ()
    objects: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    freed: int = 0
    warnings: tuple[str, ...] = ()


def find(ctx: Context, request: UndeployRequest) -> tuple[Workload, ...]:
    """The workloads that would be removed, for a confirmation. Raises WorkloadUnknown, NothingStaged."""
    workloads = _named(ctx, request)
    if request.staged and not interrupted(ctx):
        refuse_bare(workloads)
    return workloads


def _named(ctx: Context, request: UndeployRequest) -> tuple[Workload, ...]:
    """These workloads; to remove a whole one its name is enough, so also one of which nothing else can be read."""
    readable = ctx.ledger.readable(request.names)
    if request.staged or not readable.damaged:
        return ctx.ledger.workloads(request.names)
    ctx.ledger.workloads([name for name in request.names if name not in readable.damaged])
    return tuple(readable.workloads.get(name) or unreadable(name) for name in dict.fromkeys(request.names))


def lost_volumes(workload: Workload) -> tuple[str, ...]:
    """Names of the persistent volumes whose data would be lost."""
    staged = workload.staged if workload.staged and workload.staged.applied else None  # a rollback leaves the data of what it takes back
    shown = workload.running or staged
    volumes = shown.spec.system.volumes if shown else ()
    return tuple(volume.name for volume in volumes if volume.kind is VolumeKind.PERSISTENT)


def undeploy(ctx: Context, request: UndeployRequest, ticket: OrderTicket | None = None) -> UndeployResult:
    """Remove them, then images that no kept revision needs. Raises WorkloadUnknown, NothingStaged, NotReady, and errors of the cluster."""
    ticket = ticket or OrderTicket(command_line("undeploy", request.names))
    find(ctx, _meant(ctx, request, ticket.order))
    with operation(ctx, ticket) as running:
        done = running.recovered.reports and not set(ctx.ledger.names()) & set(request.names)
        if done or not ticket.still_valid():
            return UndeployResult(warnings=running.warnings)
        workloads = _named(ctx, _meant(ctx, request, ticket.order))
        if request.staged:
            _refuse_replaced(request, workloads)
            removed = _remove_staged(ctx, workloads, ticket.order)
        else:
            removed = recovery.remove(ctx, _begin(ctx, workloads, ticket.order))
        running.warn(*requests.cancellations(removed.cancelled))
        freed = free_images(ctx, running)
    return UndeployResult(tuple(workload.name for workload in workloads), removed.objects, freed, running.warnings)


def _refuse_replaced(request: UndeployRequest, workloads: Sequence[Workload]) -> None:
    staged = {workload.name: workload.staged.number for workload in workloads if workload.staged}
    others = replaced(request.seen, staged)
    if others:
        raise NotReady(f"{', '.join(others)}: its staged version was replaced in the meantime", hint="look at it again")


def _meant(ctx: Context, request: UndeployRequest, order: Order | None) -> UndeployRequest:
    """Without the workloads of which another version was staged since it was ordered: that one stays."""
    moved = order.moved(ctx.ledger.slots(order.names)) if order and request.staged else ()
    return replace(request, names=tuple(name for name in request.names if name not in moved)) if moved else request


def _begin(ctx: Context, workloads: Sequence[Workload], order: Order | None) -> Operation:
    """A version that was staged after the order was placed is kept."""
    slots = ctx.ledger.slots([workload.name for workload in workloads])
    newest = {target.workload: target.revision for target in order.targets} if order else {}

    def step(name: str) -> Step:
        (running, staged), limit = slots[name], newest.get(name)
        return Step(name, running, staged if limit is None or (staged or 0) <= limit else None)

    steps = [step(workload.name) for workload in workloads]
    return journal.begin(ctx.ledger, OperationKind.UNDEPLOY, Phase.REMOVING, steps, actor=ctx.actor, order=order)


def _remove_staged(ctx: Context, workloads: Sequence[Workload], order: Order | None) -> Removed:
    """All in one commit, which also ends the order, or begins the operation that ends it: after a crash nothing is done twice."""
    refuse_bare(workloads)
    left = left_workloads(ctx.ledger)
    # Their failed apply was kept (--no-rollback): nothing else would remove them from the cluster.
    on_cluster = [workload for workload in workloads if workload.running is None and workload.name in left]
    cancelled: list[Order] = []
    begun: Operation | None = None
    with ctx.ledger.writing():
        for workload in workloads:
            if workload not in on_cluster:
                number = workload.staged.number if workload.staged else None
                cancelled += requests.drop_staged(ctx.ledger, workload.name, actor=ctx.actor, number=number, order=order)
        if on_cluster:
            begun = _begin(ctx, on_cluster, order)
        elif order:
            left_out = [name for name in order.names if name not in {workload.name for workload in workloads}]
            note = f"another version of {', '.join(left_out)} is staged since, so left out" if left_out else ""
            orders.end(ctx.ledger, order, Outcome.DONE, note, actor=ctx.actor)
    removed = recovery.remove(ctx, begun) if begun else Removed()
    return replace(removed, cancelled=(*cancelled, *removed.cancelled))
