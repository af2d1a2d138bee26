"""The agent's queue, computed from the workloads of the ledger. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from kelvin_provision.applying.selection import appliable
from kelvin_provision.ledger.model.workloads import Revision, Workload

Group = tuple[Workload, ...]
"""Workloads with instant apply that were accepted together, and are applied together."""


def pending(workloads: Sequence[Workload]) -> tuple[Workload, ...]:
    """Workloads whose staged revision needs work of the agent; not those that are ready and held back by their group."""
    held = held_by_group(workloads)
    return tuple(
        workload
        for workload in workloads
        if workload.staged and workload.staged.in_motion and not (workload.name in held and appliable(workload.staged))
    )


def held_by_group(workloads: Sequence[Workload]) -> dict[str, Workload]:
    """Ready members of groups by name, each with the blocked member that holds its group back."""
    blocked = {workload.staged.batch: workload for workload in workloads if workload.staged and workload.staged.slot.failed}
    return {
        workload.name: blocked[workload.staged.batch]
        for workload in workloads
        if workload.staged
        and workload.staged.spec.method.instantly_apply
        and not workload.staged.blocked
        and workload.staged.batch in blocked
    }


def complete_groups(workloads: Sequence[Workload]) -> list[Group]:
    """Groups that could be applied: all members that are still staged are ready, and none is blocked."""
    groups: dict[str, list[Workload]] = {}
    for workload in workloads:
        if workload.staged and workload.staged.spec.method.instantly_apply:
            groups.setdefault(workload.staged.batch, []).append(workload)
    return [tuple(group) for group in groups.values() if all(_is_ready(workload.staged) for workload in group)]


def batch_of(group: Group) -> str:
    return group[0].staged.batch if group[0].staged else ""


def _is_ready(revision: Revision | None) -> bool:
    return revision is not None and not revision.blocked and appliable(revision)
