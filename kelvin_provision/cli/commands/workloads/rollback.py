"""Go back to the version that ran before, or to a kept one."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

from kelvin_provision.cli.frame.arguments import Names
from kelvin_provision.cli.frame.complete import revisions
from kelvin_provision.cli.frame.declared import Option
from kelvin_provision.cli.frame.dry_run import DryExitCode, DryRun, preview_report, refuse_exit_code
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.frame.values.durations import RollbackTimeout, Timeout
from kelvin_provision.cli.render.report import Item, Report

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kelvin_provision.applying.target import TakenBack, Target
    from kelvin_provision.ledger.model.workloads import Workload
    from kelvin_provision.usecases.rollback import RollbackPlan, RollbackRequest

_TO = Option(
    "--to", metavar="REVISION", min=1, help="The revision to go back to.  [default: the one that ran before]", autocompletion=revisions
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

    It needs no internet: objects and images of the last versions are kept (keep_revisions). Several workloads are rolled back
    as one transaction. The version that ran until now is kept too, and what is staged stays staged. `workloads history` lists the
    revisions.

    A workload whose first version was applied together with another one of these is taken off the cluster with it: its version is
    staged again, its data is kept, and `workloads apply NAME` applies it again.
    """
    refuse_exit_code(exit_code=exit_code, dry_run=dry_run)
    if dry_run:
        return _preview(session, name, to, exit_code=exit_code)
    from kelvin_provision.usecases.rollback import RollbackRequest

    return rollback(session, RollbackRequest(tuple(name), to, timeout, rollback_timeout))


def _preview(session: Session, names: list[str], to: int | None, *, exit_code: bool) -> Report:
    from kelvin_provision.cli.frame.box import context_of
    from kelvin_provision.usecases import rollback as usecase

    with context_of(session) as ctx:
        plan = usecase.plan(ctx.ledger, names, to)
        if not plan.targets:
            return Report("workloads rollback --dry-run", _items(plan))
        name_of_report = "workloads rollback --dry-run"
        return preview_report(ctx, plan.targets, name_of_report, plan.taken_back, exit_code=exit_code, warnings=plan.notes)


def rollback(session: Session, request: RollbackRequest) -> Report:
    from kelvin_provision.cli.frame.box import operating
    from kelvin_provision.usecases import rollback as usecase

    with operating(session) as ctx:
        result = usecase.rollback(ctx, request)
    return Report("workloads rollback", _items(result.plan, result.unfinished), warnings=result.warnings)


def _items(plan: RollbackPlan, unfinished: Mapping[str, str] = MappingProxyType({})) -> tuple[Item, ...]:
    unchanged = (Item("workload", workload.name, "unchanged", _already(workload)) for workload in plan.unchanged)
    taken_back = (Item("workload", each.name, "staged", _gone(each)) for each in plan.taken_back)
    return (*(_item(target, unfinished.get(target.name, "")) for target in plan.targets), *taken_back, *unchanged)


def _gone(each: TakenBack) -> str:
    spec, number = each.revision.spec, each.revision.number
    return f"{spec.app_name} {spec.app_version} (revision {number}) runs no more, as before it was applied; its data is kept"


def _item(target: Target, unfinished: str) -> Item:
    if unfinished:
        return Item("workload", target.name, "applied", f"{_from_to(target)}; {unfinished}")
    return Item("workload", target.name, "running", _from_to(target))


def _already(workload: Workload) -> str:
    if workload.running is None:
        return "no version of it runs"
    if workload.enabled:
        return f"it runs revision {workload.shown.number} already"
    return f"revision {workload.shown.number} is stopped: kelvin-provision workloads start -n {workload.name}"


def _from_to(target: Target) -> str:
    new, old = target.revision, target.workload.running
    before = f", before {old.spec.app_version} (revision {old.number})" if old and old.number != new.number else ""
    return f"{new.spec.app_name} {new.spec.app_version} (revision {new.number}){before}"
