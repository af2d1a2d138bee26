"""Go back to the version that ran before, or to a kept one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kelvin_provision.cli.frame.arguments import Names
from kelvin_provision.cli.frame.complete import revisions
from kelvin_provision.cli.frame.dry_run import DryExitCode, DryRun, foretold, refuse_exit_code
from kelvin_provision.cli.frame.durations import RollbackTimeout, Timeout, flags, patient
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report

if TYPE_CHECKING:
    from kelvin_provision.applying.forecast import Target
    from kelvin_provision.applying.rollback import Choice
    from kelvin_provision.ledger.model import Workload

_TO = typer.Option(
    "--to", metavar="REVISION", min=1, help="The revision to go to; the earlier one that ran last unless told.", autocompletion=revisions
)


def command(
    session: Session,
    *,
    name: Names,
    to: Annotated[int | None, _TO] = None,
    timeout: Timeout = None,
    rollback_timeout: RollbackTimeout = None,
    dry_run: DryRun = False,
    exit_code: DryExitCode = False,
) -> Report:
    """Go back to the version that ran before, or to a kept one.

    It needs no internet: objects and images of the last versions are kept (keep_revisions). Several go back as one transaction.
    The version that it comes from is kept, too, and what is staged stays staged. Revisions: kelvin-provision workloads history.
    """
    refuse_exit_code(exit_code=exit_code, dry_run=dry_run)
    if dry_run:
        return _foretold(session, name, to, exit_code=exit_code)
    return rollback(session, name, to=to, timeout=timeout, back=rollback_timeout)


def _foretold(session: Session, names: list[str], to: int | None, *, exit_code: bool) -> Report:
    from kelvin_provision.applying import rollback as ops
    from kelvin_provision.cli.frame.box import node_of

    with node_of(session) as node:
        choice = ops.choose(node.ledger, names, to)
        if not choice.targets:
            return Report("workloads rollback --dry-run", _items(choice, "running"))
        return foretold(node, choice.targets, "workloads rollback --dry-run", exit_code=exit_code, warnings=choice.notes)


def rollback(session: Session, names: list[str], *, to: int | None, timeout: float | None, back: float | None) -> Report:
    """Choose, plan, then one transaction under the operator lock."""
    from kelvin_provision.applying import rollback as ops
    from kelvin_provision.cli.frame.box import node_of, settings_of, signals_noted
    from kelvin_provision.cli.render.progress import choose

    settings = patient(settings_of(session), timeout, back)
    with choose(session) as progress, node_of(session, progress=progress, settings=settings) as node, signals_noted() as stop:
        ops.choose(node.ledger, names, to)
        with node.changing(f"workloads rollback {flags(names)}"):
            choice = ops.choose(node.ledger, names, to)  # anew: a recovery may have moved something
            if not choice.targets:
                return Report("workloads rollback", _items(choice, "running"))
            done = ops.run(node.tools, choice, stop)
    return Report("workloads rollback", _items(choice, "running"), warnings=(*choice.notes, *done.plan.notes))


def _items(choice: Choice, outcome: str) -> tuple[Item, ...]:
    stay = (Item("workload", found.name, "unchanged", _already(found)) for found in choice.runs)
    return (*(Item("workload", target.workload.name, outcome, _from_to(target)) for target in choice.targets), *stay)


def _already(found: Workload) -> str:
    if found.enabled:
        return f"it runs revision {found.shown.number} already"
    return f"revision {found.shown.number} is stopped: kelvin-provision workloads start -n {found.name}"


def _from_to(target: Target) -> str:
    new, old = target.revision, target.workload.running
    before = f", before {old.spec.app_version} (revision {old.number})" if old and old.number != new.number else ""
    return f"{new.spec.app_name} {new.spec.app_version} (revision {new.number}){before}"
