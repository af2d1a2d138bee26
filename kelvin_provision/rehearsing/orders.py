"""Rehearsals that the agent carries out: those ordered through the API, and the one at the end of staging."""

from __future__ import annotations

from kelvin_provision.context import Context
from kelvin_provision.errors import RehearsalFailed
from kelvin_provision.ledger import orders
from kelvin_provision.ledger.model.orders import Order, Target
from kelvin_provision.ledger.model.workloads import Revision
from kelvin_provision.ledger.orders import OrderRequest
from kelvin_provision.rehearsing.rehearse import RehearseRequest, rehearse
from kelvin_provision.status import RehearsalOutcome, Verb


def order_of(ctx: Context, revision: Revision) -> None:
    """Order the rehearsal of a version that is being staged; once, however often its staging ends."""
    key = f"rehearse-{revision.workload}-{revision.number}-{revision.created}"
    orders.place(ctx.ledger, OrderRequest(ctx.actor, Verb.REHEARSE, (Target(revision.workload, revision.number),), key=key))


def carry_out(ctx: Context, order: Order, command: str) -> str:
    """Returns what the order says at its end. Raises RehearsalFailed, and what a rehearsal raises."""
    given = order.arguments
    seconds = given.get("seconds")
    request = RehearseRequest(
        order.names,
        hold=float(seconds) if isinstance(seconds, int) else None,
        allow_network=given.get("allow_network") is True,
        real_volumes=given.get("real_volumes") is True,
        jobs=given.get("jobs") is True,
    )
    done = [rehearsal for _, rehearsal in rehearse(ctx, request, command).rehearsals]
    bad = [rehearsal for rehearsal in done if rehearsal.outcome is not RehearsalOutcome.OK]
    if bad:
        text = "; ".join(f"{rehearsal.workload}: {rehearsal}" for rehearsal in bad)
        raise RehearsalFailed(text, evidence=[line for rehearsal in bad for line in rehearsal.evidence])
    return "; ".join(f"{rehearsal.workload}: {rehearsal}" for rehearsal in done)
