"""Dry runs: what a command would change; shared by `diff` and every `--dry-run`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from kelvin_provision.cli.frame.declared import Option
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Report
from kelvin_provision.errors import UsageRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kelvin_provision.applying.target import TakenBack, Target
    from kelvin_provision.context import Context

DryRun = Annotated[bool, Option("--dry-run", help="Show what would change, as `workloads diff` does, and change nothing.")]
ExitCode = Annotated[bool, Option("--exit-code", help="Exit with 3 when there are changes, with 0 when there are none.")]
DryExitCode = Annotated[bool, Option("--exit-code", help="With --dry-run: exit with 3 when there are changes.")]

UNFINISHED = "another change is under way or was interrupted; this preview is from before its end"


def refuse_exit_code(*, exit_code: bool, dry_run: bool) -> None:
    """Raise UsageRefused for `--exit-code` without `--dry-run`: a real change uses other exit codes."""
    if exit_code and not dry_run:
        raise UsageRefused("--exit-code needs --dry-run")


def staged(session: Session, names: Sequence[str], command: str, *, exit_code: bool, retry_failed: bool = False) -> Report:
    """The changes of the staged versions of these workloads, or of all; `command` is what the report is called."""
    from kelvin_provision.applying import gate
    from kelvin_provision.applying.facts import render_staged
    from kelvin_provision.applying.selection import choose, refuse_unready, select
    from kelvin_provision.cli.frame.box import context_of

    with context_of(session) as ctx:
        selection = select(choose(ctx.ledger, names, everything=not names), everything=not names, retry_failed=retry_failed)
        workloads = selection.workloads
        refuse_unready(workloads, ctx.store)
        obstacle = gate.obstacle(workloads, ctx.settings.apply.window, ctx.now) if workloads else None
        warnings = [f"left out: {reason}" for reason in selection.left_out]
        warnings += [f"an apply would be refused now: {obstacle}"] if obstacle else []
        return preview_report(ctx, render_staged(ctx, workloads) if workloads else (), command, exit_code=exit_code, warnings=warnings)


def preview_report(
    ctx: Context,
    targets: Sequence[Target],
    command: str,
    taken_back: Sequence[TakenBack] = (),
    *,
    exit_code: bool,
    warnings: Sequence[str] = (),
) -> Report:
    """Takes no lock and does not recover: it changes nothing."""
    if not targets:
        return Report(command, more={"changes": False, "workloads": []}, warnings=tuple(warnings))
    from kelvin_provision.cli.render import changes
    from kelvin_provision.preview.preview import preview
    from kelvin_provision.usecases.operation import interrupted

    more = [UNFINISHED] if interrupted(ctx) else []
    return changes.report(command, preview(ctx, targets, taken_back), exit_code=exit_code, warnings=(*warnings, *more))
