"""Requests: accepted as the staged revisions of their workloads, or withdrawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kelvin_provision.ledger.history import append
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model import Entry, Order, Revision
from kelvin_provision.ledger.rows import common as rows
from kelvin_provision.ledger.rows import orders as order_rows
from kelvin_provision.spec.workload import Spec


@dataclass(frozen=True)
class Accepted:
    """The new staged revisions, and the orders that this cancelled."""

    revisions: tuple[Revision, ...]
    cancelled: tuple[Order, ...] = ()


def cancellations(orders: Sequence[Order]) -> tuple[str, ...]:
    """A warning for each cancelled order."""
    return tuple(f"the {order.subject} is cancelled" for order in orders)


def accept(ledger: Ledger, specs: Sequence[Spec], batch: str, *, actor: str) -> Accepted:
    """Store all requests as one group with their history, or none. They replace what was staged for the same workloads."""
    with ledger.writing() as db:
        known = rows.slots(db, [spec.name for spec in specs])
        new = [spec.name for spec in specs if spec.name not in known]
        removed = order_rows.cancel_removed(db, new, actor=actor, now=ledger.clock())
        revisions = ledger.accept(specs, batch)
        for revision in revisions:
            detail = f"{revision.spec.app_name} {revision.spec.app_version}, {revision.spec.method}"
            append(db, Entry(ledger.clock(), actor, "deploy", revision.workload, revision.number, "accepted", detail))
        names = [revision.workload for revision in revisions]
        return Accepted(revisions, (*removed, *order_rows.cancel_moved(db, names, actor=actor, now=ledger.clock())))


def drop_staged(ledger: Ledger, name: str, *, actor: str, number: int | None = None, order: Order | None = None) -> tuple[Order, ...]:
    """Delete the staged revision of a workload, with `number` only if it is that one; returns the orders that this cancels.

    `order` is the one that this carries out. Raises WorkloadUnknown.
    """
    with ledger.writing() as db:
        staged = ledger.workload(name).staged
        if number is not None and (staged is None or staged.number != number):
            return ()
        ledger.drop_staged(name)
        if staged:
            version = staged.spec.app_version
            append(db, Entry(ledger.clock(), actor, "undeploy --staged", name, staged.number, "done", version=version))
        return order_rows.cancel_moved(db, [name], actor=actor, now=ledger.clock(), besides=order)
