"""What `setup` has found, what it will change, and what it has changed."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kelvin_provision.cli.frame import hints, terminal
from kelvin_provision.cli.render import layout
from kelvin_provision.cli.render.report import CHANGES, Item, Report

if TYPE_CHECKING:
    from kelvin_provision.cli.frame.session import Session
    from kelvin_provision.setup.carrying_out import SetupResult
    from kelvin_provision.setup.finding import Candidate
    from kelvin_provision.setup.plan import Change, Plan

COMMAND = "setup"


def discovered(candidates: Sequence[Candidate]) -> Iterator[str]:
    """A line for each."""
    for candidate in candidates:
        yield f"Found {candidate.name}: {candidate.place}{f', {candidate.state}' if candidate.state else ''}"
    if not candidates:
        yield "Found neither Kubernetes nor Docker Engine"


def taken(plan: Plan) -> Iterator[str]:
    """Which of them, and why."""
    candidate, reason = plan.choice.candidate, plan.choice.reason
    yield f"Takes {candidate.name}: {reason}" if candidate else f"Cluster: {reason}"


def aside(session: Session, lines: Iterable[str]) -> None:
    """On stderr, where no document says it."""
    if session.quiet or session.document:
        return
    width = layout.width_of(sys.stderr)
    terminal.write(sys.stderr, "".join(f"{layout.wrapped(terminal.plain(text), width)}\n" for text in lines))


def line(change: Change) -> str:
    return f"{change.kind} {change.name}: will be {change.outcome}{f', {change.detail}' if change.detail else ''}"


def planned(plan: Plan, *, exit_code: bool) -> Report:
    """For --dry-run."""
    items = [
        Item(change.kind, change.name, change.outcome if change.outcome == "unchanged" else f"would be {change.outcome}", change.detail)
        for change in plan.changes
    ]
    code = CHANGES if exit_code and plan.needed else 0
    return Report(COMMAND, tuple(items), warnings=plan.warnings, exit_code=code, more={"changes": bool(plan.needed), **_discovered(plan)})


def done(result: SetupResult) -> Report:
    """With the checks of `doctor`, whose errors decide the exit code."""
    from kelvin_provision.cli.commands.checking import report_of
    from kelvin_provision.queries.checks import ChecksResult

    items = tuple(Item(change.kind, change.name, change.outcome, change.detail) for change in result.changes)
    more = {"changes": bool(result.plan.needed), **_discovered(result.plan), **ChecksResult(result.checks).to_json(hints.line)}
    if not result.checks:
        return Report(COMMAND, items, warnings=result.warnings, more=more)
    checked = report_of(COMMAND, result.checks, strict=False)
    return Report(COMMAND, items, warnings=result.warnings, checks=result.checks, refusal=checked.refusal, more=more)


def _discovered(plan: Plan) -> Mapping[str, Any]:
    return {
        "found": [_candidate(candidate) for candidate in plan.candidates],
        "taken": {"name": plan.choice.candidate.name if plan.choice.candidate else None, "reason": plan.choice.reason},
    }


def _candidate(candidate: Candidate) -> Mapping[str, Any]:
    runtime = {"runtime": candidate.runtime or None, "answers": candidate.answers}
    return {"name": candidate.name, "type": candidate.type, "place": candidate.place, **runtime}


def lines(plan: Plan) -> Sequence[str]:
    """What will be changed, for the question."""
    return tuple(line(change) for change in plan.needed)
