"""Numbers of a box for monitoring: from the ledger, the sizes of files and what the agent reports; never from the cluster."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kelvin_provision import timestamps
from kelvin_provision.queries.agent import AgentStatus, agent
from kelvin_provision.queries.overview import OverviewRequest, is_downloading, overview
from kelvin_provision.spec.enums import State

if TYPE_CHECKING:
    from kelvin_provision.context import Context

STAGED = (State.RECEIVED, State.DOWNLOADING, State.READY, State.FAILED)
"""The states of a staged version."""


@dataclass(frozen=True)
class LastApply:
    """The newest apply that ended; `at` in seconds of the epoch."""

    at: float
    succeeded: bool


@dataclass(frozen=True)
class LedgerMetrics:
    """What changes with the ledger alone. Every state is there, also with zero workloads."""

    workloads: Mapping[State, int]
    staged: Mapping[State, int]
    last_apply: LastApply | None


@dataclass(frozen=True)
class BoxMetrics:
    """What changes without it. Bytes are those of downloads under way: here, to come in all, and in each second.

    `disk` is free and total, of the filesystem of the state directory. `budget` is used and allowed today, None without one.
    """

    agent: bool
    pending_orders: int
    downloaded: int
    to_download: int
    rate: int
    disk: tuple[int, int]
    budget: tuple[int, int] | None


def ledger_metrics(ctx: Context) -> LedgerMetrics:
    items = overview(ctx, OverviewRequest()).page.items
    states = Counter(item.status.state for item in items)
    staged = Counter(item.staged.status.state for item in items if item.staged)
    return LedgerMetrics({state: states[state] for state in State}, {state: staged[state] for state in STAGED}, _last_apply(ctx))


def _last_apply(ctx: Context) -> LastApply | None:
    from kelvin_provision.ledger import history

    entry = history.last(ctx.ledger, "apply")
    return LastApply(timestamps.parse(entry.time).timestamp(), entry.outcome.startswith("done")) if entry else None


def box_metrics(ctx: Context) -> BoxMetrics:
    """Raises OSError where the filesystem cannot be asked."""
    status = agent(ctx)
    workloads = ctx.ledger.readable_unapplied().workloads.values()
    progress = [ctx.store.progress(workload.staged.locks or ()) for workload in workloads if workload.staged and is_downloading(workload)]
    filesystem = os.statvfs(ctx.settings.state_dir)
    return BoxMetrics(
        agent=status.process is not None,
        pending_orders=len(status.orders),
        downloaded=sum(here for here, _ in progress),
        to_download=sum(size for _, size in progress),
        rate=_rate(status),
        disk=(filesystem.f_bavail * filesystem.f_frsize, filesystem.f_blocks * filesystem.f_frsize),
        budget=(status.budget.used, status.budget.limit) if status.budget else None,
    )


def _rate(status: AgentStatus) -> int:
    """Bytes in each second, over all of the agent's tasks."""
    return sum(int(task.get("rate") or 0) for task in (status.work or {}).get("tasks", ()))
