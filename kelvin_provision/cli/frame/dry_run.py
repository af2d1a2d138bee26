"""What a command would do, told without doing it: shared by `diff` and by every `--dry-run`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Report
from kelvin_provision.errors import UsageRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kelvin_provision.applying.forecast import Target
    from kelvin_provision.node import Node

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would change, as `workloads diff` does, and touch nothing.")]
ExitCode = Annotated[bool, typer.Option("--exit-code", help="Exit with 3 when there are changes; with 0 when there are none.")]
DryExitCode = Annotated[bool, typer.Option("--exit-code", help="With --dry-run: exit with 3 when there are changes.")]

UNFINISHED = "another change is unfinished, under way or left by a crash; what is told is from before its end"


def refuse_exit_code(*, exit_code: bool, dry_run: bool) -> None:
    """Raise UsageRefused for `--exit-code` without `--dry-run`: a change that is made has exit codes of its own."""
    if exit_code and not dry_run:
        raise UsageRefused("--exit-code goes with --dry-run: a change that is made has exit codes of its own")


def staged(session: Session, names: Sequence[str], said: str, *, exit_code: bool) -> Report:
    """Of the staged versions of these workloads, or of all of them; `said` is the command that asks."""
    from kelvin_provision.applying import apply
    from kelvin_provision.cli.frame.box import node_of

    with node_of(session) as node:
        found = apply.choose(node.ledger, names, everything=not names)
        apply.refuse_unready(found, node.store)
        shut = node.obstacle(found) if found else None
        warnings = [f"an apply would be refused now: {shut}"] if shut else []
        return foretold(node, apply.rendered(found, node.cluster) if found else (), said, exit_code=exit_code, warnings=warnings)


def foretold(node: Node, targets: Sequence[Target], said: str, *, exit_code: bool, warnings: Sequence[str] = ()) -> Report:
    """Without the lock and without a recovery: nothing is touched."""
    if not targets:
        return Report(said, more={"changes": False, "workloads": []}, warnings=tuple(warnings))
    from kelvin_provision.cli.render import changes

    more = [UNFINISHED] if node.interrupted else []
    return changes.report(said, node.foresee(targets), exit_code=exit_code, warnings=(*warnings, *more))
