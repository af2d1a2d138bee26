"""Order a change that the agent is to carry out as soon as possible: for front ends that answer before it is done.

What the change would refuse at once is refused here, with the same errors: an order that is accepted can begin.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from kelvin_provision.applying.gate import obstacle
from kelvin_provision.applying.selection import choose, refuse_bare, refuse_unready, select
from kelvin_provision.context import Context
from kelvin_provision.errors import NothingApplied, NothingStaged, NotReady, OurBug, ProvisionError
from kelvin_provision.files.hashing import sha256_hex
from kelvin_provision.hints import command
from kelvin_provision.ledger import orders, repeats
from kelvin_provision.ledger.model.orders import Order, Target, replaced
from kelvin_provision.ledger.model.workloads import Workload
from kelvin_provision.ledger.orders import OrderRequest
from kelvin_provision.status import Verb
from kelvin_provision.usecases.waking import wake


@dataclass(frozen=True)
class Change:
    """`digest` is that of the request as the client sent it: the same one again within a minute is a repetition.

    `staged`: undeploy the staged version only. `to`: the revision of a rollback, None for the one that ran before. `orphans`: of a prune.
    `arguments`: of a rehearsal, as `rehearsing.orders` reads them.
    Of an apply, without names everything that is staged is meant, with `retry_failed` also what failed before; `force` is as in
    `ApplyRequest`. `seen`: the revisions that a person has looked at: staged ones for an apply or what is `staged`, the newest ones for
    an undeploy of everything, and running ones for anything else. If they are others by now, nothing is ordered.
    """

    verb: Verb
    names: tuple[str, ...]
    digest: str
    staged: bool = False
    to: int | None = None
    arguments: Mapping[str, object] = field(default_factory=dict)
    force: bool = False
    retry_failed: bool = False
    orphans: bool = False
    seen: tuple[Target, ...] = ()


@dataclass(frozen=True)
class Ordered:
    """`repeated`: the client has asked for it before, and this has changed nothing."""

    order: Order
    repeated: bool = False
    warnings: tuple[str, ...] = ()


def order(ctx: Context, change: Change) -> Ordered:
    """Check the change, see to it that an agent is alive, store the order.

    Raises WorkloadUnknown, NothingStaged, StagingFailed, NotReady, OutsideWindow, WorkloadHeld, NothingApplied, NothingToRollBack,
    RevisionUnknown; AgentSilent, and then nothing is stored.
    """
    earlier = repeats.repeated(ctx.ledger, change.digest)
    if earlier is not None:
        return Ordered(earlier, repeated=True)
    key = repeats.key_of(change.digest)
    request, left_out = _request(ctx, change, key)
    warnings = wake(ctx)
    placed = orders.place(ctx.ledger, request)
    cancelled = tuple(f"the {other.subject} is cancelled" for other in placed.cancelled)
    return Ordered(placed.order, warnings=(*left_out, *warnings, *cancelled))


def order_possible(ctx: Context, change: Change) -> Mapping[str, ProvisionError]:
    """One order for those of several workloads that can be changed; returns why the others cannot. Raises if none can.

    The same request again changes nothing, unless one that could not be changed can be by now.
    """
    earlier = repeats.repeated(ctx.ledger, change.digest)
    rest = tuple(name for name in change.names if earlier is None or name not in earlier.names)
    refused = {name: error for name in rest if (error := _obstacle(ctx, replace(change, names=(name,))))}
    possible = tuple(name for name in rest if name not in refused)
    if possible:
        own = change.digest if earlier is None else sha256_hex(f"{change.digest} {' '.join(possible)}".encode())
        order(ctx, replace(change, names=possible, digest=own))
    elif earlier is None:
        raise refused[change.names[0]]
    return refused


def _obstacle(ctx: Context, change: Change) -> ProvisionError | None:
    """Why this change would be refused at once."""
    try:
        _request(ctx, change, "")
    except ProvisionError as error:
        return error
    return None


def _request(ctx: Context, change: Change, key: str) -> tuple[OrderRequest, tuple[str, ...]]:
    """With the reasons for what is left out of everything."""
    return _apply_of(ctx, change, key) if change.verb is Verb.APPLY else (_checked(ctx, change, key), ())


def _apply_of(ctx: Context, change: Change, key: str) -> tuple[OrderRequest, tuple[str, ...]]:
    everything = not change.names
    chosen = choose(ctx.ledger, change.names, everything=everything)
    selection = select(chosen, everything=everything, retry_failed=change.retry_failed)
    if not selection.workloads:
        raise NothingStaged("nothing is staged")
    refuse_moved(change.seen, staged_numbers(selection.workloads))
    refuse_unready(selection.workloads, ctx.store)
    error = None if change.force else obstacle(selection.workloads, ctx.settings.apply.window, ctx.now)
    if error is not None:
        raise error
    left_out = tuple(f"left out: {reason}" for reason in selection.left_out)
    # What failed before is left out once more when the order is carried out, unless its workloads are named.
    whole = everything and not change.retry_failed
    return orders.apply_of(selection.workloads, actor=ctx.actor, forced=change.force, everything=whole, key=key), left_out


def _checked(ctx: Context, change: Change, key: str) -> OrderRequest:
    if change.verb is Verb.PRUNE:
        return OrderRequest(ctx.actor, change.verb, (), {"orphans": True} if change.orphans else {}, key=key)
    workloads = ctx.ledger.workloads(change.names)
    refuse_moved(change.seen, _numbers_seen(ctx, change, workloads))
    match change.verb:
        case Verb.START | Verb.STOP:
            bare = [workload.name for workload in workloads if workload.running is None]
            if bare:
                raise NothingApplied(f"nothing of {', '.join(bare)} was ever applied", hint=command("workloads apply", names=(bare[0],)))
        case Verb.UNDEPLOY if change.staged:
            refuse_bare(workloads)
        case Verb.REHEARSE:
            refuse_bare(workloads)
            refuse_unready(select(workloads, everything=False).workloads, ctx.store)
        case Verb.UNDEPLOY:
            pass
        case Verb.ROLLBACK:
            from kelvin_provision.usecases.rollback import plan  # the other orders need none of it

            plan(ctx.ledger, change.names, change.to)
        case _:
            raise OurBug(f"{change.verb} cannot be ordered here")
    revisions = _meant(ctx, change, workloads)
    targets = tuple(Target(workload.name, revisions.get(workload.name)) for workload in workloads)
    arguments: dict[str, object] = {"staged": True} if change.staged else dict(change.arguments)
    return OrderRequest(ctx.actor, change.verb, targets, arguments if change.to is None else {"to": change.to}, key=key)


def _meant(ctx: Context, change: Change, workloads: Sequence[Workload]) -> Mapping[str, int | None]:
    """The revisions that the order means (`model.Target`)."""
    if change.staged or change.verb is Verb.REHEARSE:
        return {workload.name: workload.staged.number for workload in workloads if workload.staged}
    if change.verb is Verb.ROLLBACK and change.to is None:
        from kelvin_provision.usecases.rollback import expected_origins  # as above

        return expected_origins(ctx.ledger, workloads)
    return ctx.ledger.latest(change.names)


def _numbers_seen(ctx: Context, change: Change, workloads: Sequence[Workload]) -> Mapping[str, int | None]:
    if change.staged or change.verb is Verb.REHEARSE:
        return staged_numbers(workloads)
    if change.verb is Verb.UNDEPLOY:
        return ctx.ledger.latest(change.names)
    return {workload.name: workload.running.number if workload.running else None for workload in workloads}


def staged_numbers(workloads: Iterable[Workload]) -> Mapping[str, int | None]:
    return {workload.name: workload.staged.number if workload.staged else None for workload in workloads}


def refuse_moved(seen: Iterable[Target], numbers: Mapping[str, int | None]) -> None:
    """Raises NotReady if a person has looked at other revisions."""
    others = replaced(seen, numbers)
    if others:
        raise NotReady(f"{', '.join(others)}: its version was replaced in the meantime", hint="look at it again")
