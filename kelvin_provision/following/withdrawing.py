"""What a publication takes back: proposed to the site, or carried out as an order where `follow.prune` says so."""

from __future__ import annotations

import sqlite3

from kelvin_provision.context import Context
from kelvin_provision.ledger import orders
from kelvin_provision.ledger.history import append
from kelvin_provision.ledger.model.operations import Entry
from kelvin_provision.ledger.model.orders import Target
from kelvin_provision.ledger.model.workloads import Workload
from kelvin_provision.ledger.orders import OrderRequest
from kelvin_provision.ledger.rows import following
from kelvin_provision.ledger.rows.following import FollowedWorkload
from kelvin_provision.publications.model import Publication
from kelvin_provision.status import Verb

WITHDRAWN = "withdrawn"
"""The outcome of its line in the history."""


def record(ctx: Context, db: sqlite3.Connection, reference: str, publication: Publication) -> tuple[str, ...]:
    """Within the transaction that takes the publication in. Returns the workloads on this box that are withdrawn now."""
    known = [each for each in following.workloads(db).values() if each.reference == reference]
    here = {workload.name for workload in ctx.ledger.existing([each.workload for each in known]).values()}
    named = set(publication.withdrawn)
    again = [each.workload for each in known if each.withdrawn is not None and each.workload not in named]
    following.withdraw(db, again, None)
    new = [each.workload for each in known if each.withdrawn is None and each.workload in named & here]
    following.withdraw(db, new, publication.serial)
    for name in new:
        detail = f"publication {publication.serial} does not have it any more"
        append(db, Entry(ctx.ledger.clock(), ctx.actor, "follow", name, None, WITHDRAWN, detail))
    return tuple(sorted(named & here & {each.workload for each in known}))


def proposed(ctx: Context) -> tuple[FollowedWorkload, ...]:
    """Withdrawn workloads that are still on this box."""
    with ctx.ledger.reading() as db:
        withdrawn = [each for each in following.workloads(db).values() if each.withdrawn is not None]
    here = ctx.ledger.existing([each.workload for each in withdrawn]) if withdrawn else {}
    return tuple(each for each in withdrawn if each.workload in here)


def prune(ctx: Context, reference: str) -> tuple[str, ...]:
    """Order the undeploy of those of this publication, except held ones; returns their names. Asking again orders nothing twice."""
    names = []
    for each in proposed(ctx):
        workload = ctx.ledger.existing([each.workload]).get(each.workload)
        if each.reference == reference and workload is not None and not workload.holds and not _is_ordered(ctx, workload):
            target = Target(workload.name, ctx.ledger.latest([workload.name]).get(workload.name))
            orders.place(ctx.ledger, OrderRequest(ctx.actor, Verb.UNDEPLOY, (target,)))
            names.append(workload.name)
    return tuple(names)


def _is_ordered(ctx: Context, workload: Workload) -> bool:
    return any(order.verb is Verb.UNDEPLOY and workload.name in order.names for order in orders.pending(ctx.ledger))
