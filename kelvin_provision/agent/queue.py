"""What waits for the agent: pure questions to the workloads of the ledger."""

from __future__ import annotations

from collections.abc import Sequence

from kelvin_provision.applying.selection import appliable
from kelvin_provision.ledger.model import Revision, Workload

Group = tuple[Workload, ...]
"""Workloads that came in one deploy and apply themselves, together."""


def pending(workloads: Sequence[Workload]) -> tuple[Workload, ...]:
    """Those whose staged revision needs work of the agent. One that is ready but held back by its group needs none."""
    held = held_by_group(workloads)
    return tuple(
        workload
        for workload in workloads
        if workload.staged and workload.staged.in_motion and not (workload.name in held and appliable(workload.staged))
    )


def held_by_group(workloads: Sequence[Workload]) -> dict[str, Workload]:
    """Members of groups that apply themselves, by name, each with the blocked member that holds its group back."""
    blocked = {workload.staged.batch: workload for workload in workloads if workload.staged and workload.staged.blocked}
    return {
        workload.name: blocked[workload.staged.batch]
        for workload in workloads
        if workload.staged
        and workload.staged.spec.method.instantly_apply
        and not workload.staged.blocked
        and workload.staged.batch in blocked
    }


def complete_groups(workloads: Sequence[Workload]) -> list[Group]:
    """Groups that could be applied: all that came in one deploy and is still staged is ready, and none of it is blocked."""
    groups: dict[str, list[Workload]] = {}
    for workload in workloads:
        if workload.staged and workload.staged.spec.method.instantly_apply:
            groups.setdefault(workload.staged.batch, []).append(workload)
    return [tuple(group) for group in groups.values() if all(_is_ready(workload.staged) for workload in group)]


def batch_of(group: Group) -> str:
    return group[0].staged.batch if group[0].staged else ""


def unready(workloads: Sequence[Workload]) -> list[str]:
    """Names of those whose staged revision is not complete."""
    return [workload.name for workload in workloads if workload.staged and not appliable(workload.staged)]


def _is_ready(revision: Revision | None) -> bool:
    return revision is not None and not revision.blocked and appliable(revision)
