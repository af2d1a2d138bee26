"""Prune: free what no kept version of a workload needs, and drop the versions that are kept beyond the setting `keep_revisions`."""

from __future__ import annotations

from dataclasses import dataclass

from kelvin_provision.context import Context
from kelvin_provision.images import prune as images
from kelvin_provision.images.prune import Freed, PrunePlan
from kelvin_provision.usecases.operation import OrderTicket, operation


@dataclass(frozen=True)
class PruneResult:
    plan: PrunePlan
    pruned: Freed
    warnings: tuple[str, ...] = ()


def plan(ctx: Context, *, orphans: bool) -> PrunePlan:
    """What would be removed. Changes nothing."""
    return images.plan(ctx.ledger, ctx.store, lambda: ctx.runtime, keep=ctx.settings.keep_revisions, orphans=orphans)


def prune(ctx: Context, *, orphans: bool, ticket: OrderTicket | None = None) -> PruneResult:
    """Plan again under the lock, and carry it out. Without an answer from the runtime, only the store is pruned."""
    ticket = ticket or OrderTicket("images prune")
    with operation(ctx, ticket) as running:
        if not ticket.still_valid():
            return PruneResult(PrunePlan(), Freed(0, frozenset()), running.warnings)
        chosen = plan(ctx, orphans=orphans)
        pruned = images.carry_out(chosen, ctx.ledger, ctx.store, lambda: ctx.runtime, keep=ctx.settings.keep_revisions)
        if chosen.runtime_error is not None:
            running.images_not_freed(chosen.runtime_error)
    return PruneResult(chosen, pruned, running.warnings)
