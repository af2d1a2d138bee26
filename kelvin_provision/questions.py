"""The questions that the agent answers for other processes: those for which the cluster must be asked. Imported when they are asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from kelvin_provision.context import Context
from kelvin_provision.errors import AgentSilent, Interrupted
from kelvin_provision.hints import command, pasted


def _logs(ctx: Context, *, name: str, tail: int | None = None, since: str | None = None, previous: bool = False) -> dict[str, Any]:
    """`logs` with those that fit; see queries.logs."""
    from kelvin_provision.errors import ClusterUnreachable
    from kelvin_provision.queries.logs import LogsRequest, logs

    try:
        return logs(ctx, LogsRequest(name, tail, since, previous=previous)).to_json()
    except Interrupted as error:
        raise ClusterUnreachable(f"the logs of {name} did not come in time", hint="ask for fewer lines") from error


def _diff(ctx: Context, *, names: Sequence[str]) -> dict[str, Any]:
    """What an apply of these staged versions would change, as `workloads diff` shows it; what would forbid it is in the findings."""
    from kelvin_provision.applying import gate
    from kelvin_provision.applying.facts import render_staged
    from kelvin_provision.applying.selection import choose, refuse_unready, select
    from kelvin_provision.preview.changes import workload_changes
    from kelvin_provision.preview.documents import document
    from kelvin_provision.preview.preview import preview

    workloads = select(choose(ctx.ledger, names, everything=False), everything=False).workloads
    refuse_unready(workloads, ctx.store)
    obstacle = gate.obstacle(workloads, ctx.settings.apply.window, ctx.now)
    result = preview(ctx, render_staged(ctx, workloads))
    changes = workload_changes(result)
    warnings = [f"an apply would be refused now: {obstacle}"] if obstacle else []
    return {
        "changes": not all(change.empty for change in changes),
        "possible": result.refusal is None,
        "workloads": [document(change) for change in changes],
        "warnings": [*warnings, *result.notes],
    }


def _check(ctx: Context, *, names: Sequence[str]) -> dict[str, Any]:
    """Whether these staged versions can be applied together, as `workloads check` shows it."""
    from kelvin_provision.applying.selection import choose
    from kelvin_provision.checks import before_apply
    from kelvin_provision.queries.checks import ChecksResult

    lines = before_apply.run(ctx, choose(ctx.ledger, names, everything=False), deep=False, skip=(), stop=ctx.stop)
    return ChecksResult(lines).to_json(pasted)


def _cluster(ctx: Context) -> dict[str, Any]:
    """Which cluster this box has, for a process that cannot see it. Raises ClusterMissing."""
    choice = ctx.connections.choice
    return {"type": choice.type, "reason": choice.reason}


def _images(ctx: Context) -> dict[str, Any]:
    """As `images list` shows it."""
    from kelvin_provision.queries.images import images

    return images(ctx).to_json()


def _inventory(ctx: Context) -> dict[str, Any]:
    """As `images list --inventory` writes it."""
    from kelvin_provision.images.box_inventory import box_inventory

    return box_inventory(ctx).inventory.to_json()


def _prune(ctx: Context, *, orphans: bool = False) -> dict[str, Any]:
    """What a prune would remove. Changes nothing."""
    from kelvin_provision.usecases.prune import plan

    return plan(ctx, orphans=orphans).to_json()


def _disk(ctx: Context) -> dict[str, Any]:
    from kelvin_provision.checks.box import disk

    return disk(ctx).to_json()


QUESTIONS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "logs": _logs,
        "diff": _diff,
        "check": _check,
        "images": _images,
        "inventory": _inventory,
        "prune": _prune,
        "disk": _disk,
        "cluster": _cluster,
    }
)


def answer(ctx: Context, question: str, arguments: Mapping[str, Any]) -> Any:
    """A JSON value. Raises what the query raises, AgentSilent for an unknown question."""
    asked = QUESTIONS.get(question)
    if asked is None:
        raise AgentSilent(f"the agent is of another version: it has no question {question[:60]!r}", hint=command("agent restart"))
    return asked(ctx, **arguments)
