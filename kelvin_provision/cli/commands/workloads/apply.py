"""Apply staged workloads, all or none, and wait until they run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from kelvin_provision.cli.complete import workload_names
from kelvin_provision.cli.session import Session
from kelvin_provision.errors import UsageRefused
from kelvin_provision.report import Item, Report

if TYPE_CHECKING:
    from kelvin_provision.ledger.model import Workload
    from kelvin_provision.ops.apply import Prepared

_NAME = typer.Option("-n", "--name", metavar="NAME", help="The workload; may be repeated.", autocompletion=workload_names)
_TIMEOUT = typer.Option("--timeout", metavar="SECONDS", min=0, help="How long they may take to run; apply.timeout unless told.")
_BACK = typer.Option(
    "--rollback-timeout", metavar="SECONDS", min=0, help="How long the way back may take; apply.rollback_timeout unless told."
)


def command(
    session: Session,
    *,
    name: Annotated[list[str] | None, _NAME] = None,
    every: Annotated[bool, typer.Option("--all", help="Everything that is staged.")] = False,
    timeout: Annotated[float | None, _TIMEOUT] = None,
    rollback_timeout: Annotated[float | None, _BACK] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change and touch nothing.")] = False,
) -> Report:
    """Apply staged workloads, all or none, and wait until they run.

    It needs no internet. When one of them does not come up, all go back to what ran before.
    """
    if bool(name) == every:
        raise UsageRefused("say which workloads: --name NAME, or --all", hint="kelvin-provision workloads list --staged")
    return apply(session, name or None, timeout=timeout, rollback_timeout=rollback_timeout, dry_run=dry_run)


def apply(session: Session, names: list[str] | None, *, timeout: float | None, rollback_timeout: float | None, dry_run: bool) -> Report:
    """Choose, plan, then one transaction under the operator lock. `names` is None for everything staged."""
    from kelvin_provision.cli.box import node_of, settings_of, signals_noted
    from kelvin_provision.cli.progress import choose
    from kelvin_provision.ops import apply as ops

    settings = settings_of(session)
    limits = settings.apply
    patience = replace(limits, timeout=timeout or limits.timeout, rollback_timeout=rollback_timeout or limits.rollback_timeout)
    settings = replace(settings, apply=patience)
    said = f"workloads apply {' '.join(f'-n {name}' for name in names) if names else '--all'}"
    with choose(session) as progress, node_of(session, progress=progress, settings=settings) as node, signals_noted() as stop:
        ops.refuse_unready(ops.choose(node.ledger, names or (), everything=not names), node.store)
        with node.changing(said):
            # Anew, now that nobody else changes it: a recovery may have moved something.
            found = ops.choose(node.ledger, names or (), everything=not names)
            if not found:
                return Report("workloads apply")
            ops.refuse_unready(found, node.store)
            if dry_run:
                return _planned(node.prepare(found))
            done = node.apply(found, who=node.who, stop=stop)
    items = tuple(Item("workload", workload.name, "running", _from_to(workload)) for workload in found)
    return Report("workloads apply", items, warnings=done.plan.notes)


def _from_to(workload: Workload) -> str:
    after = f"{workload.staged.spec.app_name} {workload.staged.spec.app_version}" if workload.staged else ""
    return f"{after}, before {workload.running.spec.app_version}" if workload.running else f"{after}, new"


def _planned(ready: Prepared) -> Report:
    changes = [change for change in ready.plan.changes if change.op.value != "keep"]
    items = tuple(Item("change", f"{change.workload}: {change.object}", change.op.value, change.why) for change in changes)
    return Report("workloads apply --dry-run", items, warnings=ready.plan.notes)
