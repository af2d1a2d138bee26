"""Pieces of work of a turn: what is done, what a bug in it is recorded with, and the key under which it then pauses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from kelvin_provision.agent import scheduler
from kelvin_provision.agent.activity import doing
from kelvin_provision.agent.queue import Group
from kelvin_provision.context import Context
from kelvin_provision.errors import Locked, ProvisionError
from kelvin_provision.events import Note
from kelvin_provision.ledger.model.orders import Order
from kelvin_provision.ledger.model.workloads import Revision, Workload
from kelvin_provision.status import Verb
from kelvin_provision.usecases.apply import ApplyRequest, apply
from kelvin_provision.usecases.operation import OrderTicket

Work = Callable[[Context], None]


@dataclass(frozen=True)
class Task:
    """One piece of work, and what a bug in it is recorded with: staged revisions, an order. `key` is what rests after a bug."""

    key: str
    label: str
    work: Work
    revisions: tuple[Revision, ...] = ()
    order: Order | None = None

    @classmethod
    def about(cls, verb: str, revisions: Sequence[Revision], work: Work) -> Task:
        key = f"{verb} {' '.join(f'{revision.workload}/{revision.number}' for revision in revisions)}"
        return cls(key, doing(verb, [revision.workload for revision in revisions]), work, tuple(revisions))

    @classmethod
    def of_order(cls, ctx: Context, order: Order) -> Task:
        """Its workloads may be gone by now: that is for the use-case to say."""
        staged = staged_of(ctx.ledger.existing(order.names).values()) if order.verb is Verb.APPLY else []
        return cls(f"order {order.id}", scheduler.label(order), partial(_carry_out, order), tuple(staged), order)


def staged_of(workloads: Iterable[Workload]) -> list[Revision]:
    return [workload.staged for workload in workloads if workload.staged]


def nothing(ctx: Context) -> None:
    """Work that only has a key."""


def _carry_out(order: Order, ctx: Context) -> None:
    scheduler.carry_out(ctx, order)


def apply_group(group: Group, ctx: Context) -> None:
    names = ", ".join(workload.name for workload in group)
    expected = {workload.name: workload.staged for workload in group}

    def still_staged() -> bool:
        """A member may have been applied or replaced while we waited for the lock."""
        return {name: workload.staged for name, workload in ctx.ledger.existing(expected).items()} == expected

    request = ApplyRequest(tuple(expected))
    try:
        apply(ctx, request, OrderTicket(f"agent: apply {names}", ctx.timings.lock_wait_agent, still_staged))
    except Locked as error:
        ctx.progress(Note(f"applying {names} waits: {error}"))
    except ProvisionError as error:
        ctx.progress(Note(f"applying {names}: {error}"))
