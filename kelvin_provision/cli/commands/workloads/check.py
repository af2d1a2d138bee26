"""Check whether staged workloads can be applied, and change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from kelvin_provision.cli.frame.arguments import All, OptionalNames
from kelvin_provision.cli.frame.declared import Option
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Report
from kelvin_provision.errors import UsageRefused
from kelvin_provision.hints import command as to_type

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kelvin_provision.check_result import CheckResult
    from kelvin_provision.ledger.model.workloads import Workload

COMMAND = "workloads check"


def check_ids(ctx: Any, args: list[str], incomplete: str) -> list[str]:  # noqa: ARG001  (typer finds these by name)
    """For completion."""
    from kelvin_provision.checks.before_apply import CHECKS

    return [check.id for check in CHECKS if check.id.startswith(incomplete)]


_DEEP = Option("--deep", help="Read the stored images again and verify every hash.")
_SKIP = Option("--skip", metavar="ID", help="Skip a check; may be repeated.", autocompletion=check_ids)
_STRICT = Option("--strict", help="Treat warnings as errors.")


def command(
    session: Session,
    *,
    name: OptionalNames,
    every: All = False,
    deep: Annotated[bool, _DEEP] = False,
    skip: Annotated[list[str] | None, _SKIP] = None,
    strict: Annotated[bool, _STRICT] = False,
    ids: Annotated[bool, Option("--list", help="List the checks with their ids and run none.")] = False,
) -> Report:
    """Check whether staged workloads can be applied, and change nothing.

    Each line is ok, a warning or an error: what was found, why it matters, and the next command. Exit code 1 for errors, 0 for
    warnings.

    With --json: `checks` (id, title, status, workload, found, why, next), `counts`, and `error` if a check failed.
    """
    from kelvin_provision.checks.before_apply import CHECKS
    from kelvin_provision.cli.commands.checking import listed

    if ids:
        return listed(COMMAND, CHECKS)
    if bool(name) == every:
        raise UsageRefused("give the workloads: NAME..., or --all", hint=to_type("workloads list", "--staged"))
    return check(session, name or None, deep=deep, skip=skip or [], strict=strict)


def check(session: Session, names: list[str] | None, *, deep: bool, skip: list[str], strict: bool) -> Report:
    """Choose as apply does, then look. `names` is None for everything staged."""
    from kelvin_provision.applying.selection import choose as chosen
    from kelvin_provision.checks import before_apply
    from kelvin_provision.cli.commands.checking import report_of
    from kelvin_provision.cli.frame.box import context_of, signals_noted
    from kelvin_provision.cli.render.progress import choose

    with choose(session) as progress, context_of(session, progress=progress) as ctx, signals_noted(hangup=True) as stop:

        def look(workloads: Sequence[Workload]) -> tuple[CheckResult, ...]:
            return before_apply.run(ctx, workloads, deep=deep, skip=skip, stop=stop) if workloads else ()

        lines = look(chosen(ctx.ledger, names or (), everything=names is None))  # which are in memory no longer than that
    return report_of(COMMAND, lines, strict=strict)
