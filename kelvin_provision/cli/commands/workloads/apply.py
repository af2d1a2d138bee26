"""Apply staged workloads, all or none, and wait until they run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from kelvin_provision.cli.frame.arguments import OptionalNames
from kelvin_provision.cli.frame.dry_run import DryExitCode, DryRun, refuse_exit_code, staged
from kelvin_provision.cli.frame.durations import RollbackTimeout, Timeout, flags, patient
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report
from kelvin_provision.errors import NothingStaged, UsageRefused
from kelvin_provision.hints import command as to_type

if TYPE_CHECKING:
    from kelvin_provision.ledger.model import Workload

_LEAVE = typer.Option("--no-rollback", help="Should one not come up, leave all as they are, to be looked at.")
_FORCE = typer.Option("--force", help="Although it is outside apply.window, or a workload is held.")
_AT = typer.Option("--at", metavar="TIME", help="Let the agent do it then: 02:00 (the next one), or a date and a time.")
_CANCEL = typer.Option("--cancel", help="Take back what was asked for with --at.")
_BLIND = typer.Option("--no-wait", help="Do not wait. Nobody sees whether they come up, and nothing goes back by itself.")


def command(
    session: Session,
    *,
    name: OptionalNames,
    every: Annotated[bool, typer.Option("--all", help="Everything that is staged.")] = False,
    timeout: Timeout = None,
    rollback_timeout: RollbackTimeout = None,
    no_rollback: Annotated[bool, _LEAVE] = False,
    no_wait: Annotated[bool, _BLIND] = False,
    force: Annotated[bool, _FORCE] = False,
    at: Annotated[str | None, _AT] = None,
    cancel: Annotated[bool, _CANCEL] = False,
    dry_run: DryRun = False,
    exit_code: DryExitCode = False,
) -> Report:
    """Apply staged workloads, all or none, and wait until they run.

    It needs no internet. When one of them does not come up, all go back to what ran before.

    --no-rollback: what failed stays on the cluster beside or in place of the old version, and stays staged;
    `workloads rollback` then goes back to what ran before.

    --no-wait: the new version counts as running at once, unseen. What is lost: evidence, the way back by itself, and on Docker
    the check before clients are handed over. One that never comes up shows as failed in `list`; `workloads rollback` goes back.

    --at: the named workloads are applied then as one transaction, by the agent, also after a reboot; never early, and no later
    than apply.grace. A new --at, --cancel, an apply by hand or a new deploy of one of them takes it back for all of them.

    Outside apply.window, and while a workload is held, nothing is applied (75) without --force.
    """
    if no_rollback and no_wait:
        raise UsageRefused("--no-wait sees no failure that --no-rollback could leave as it is: give one of them")
    if bool(name) == every:
        raise UsageRefused("say which workloads: --name NAME, or --all", hint=to_type("workloads list", "--staged"))
    refuse_exit_code(exit_code=exit_code, dry_run=dry_run)
    if at is not None or cancel:
        if no_rollback or no_wait or dry_run or timeout or rollback_timeout or (cancel and (force or at is not None)):
            raise UsageRefused("--at goes with --force alone, and --cancel with nothing: the agent applies as the settings say")
        from kelvin_provision.cli.commands.workloads import scheduling

        return scheduling.cancel(session, name) if cancel else scheduling.appoint(session, name, str(at), force=force)
    if dry_run:
        return staged(session, name or (), "workloads apply --dry-run", exit_code=exit_code)
    asked = Asked(timeout, rollback_timeout, leave=no_rollback, blind=no_wait, force=force)
    return apply(session, name or None, asked)


@dataclass(frozen=True)
class Asked:
    """How to apply."""

    timeout: float | None = None
    rollback_timeout: float | None = None
    leave: bool = False
    blind: bool = False
    force: bool = False


def apply(session: Session, names: list[str] | None, asked: Asked) -> Report:
    """Choose, plan, then one transaction under the operator lock. `names` is None for everything staged."""
    from kelvin_provision.applying import apply as ops
    from kelvin_provision.cli.frame.box import node_of, settings_of, signals_noted
    from kelvin_provision.cli.render.progress import choose
    from kelvin_provision.ledger.model import Care

    settings = patient(settings_of(session), asked.timeout, asked.rollback_timeout)
    care = Care.LEAVE if asked.leave else Care.BLIND if asked.blind else Care.BACK
    said = f"workloads apply {flags(names) if names else '--all'}"
    with choose(session) as progress, node_of(session, progress=progress, settings=settings) as node, signals_noted() as stop:
        if not node.interrupted:
            # Without the lock, so that whoever has nothing to apply is told so and not who is at work.
            ops.refuse_unready(ops.choose(node.ledger, names or (), everything=not names), node.store)
        with node.changing(said) as recovered:
            try:
                found = ops.choose(node.ledger, names or (), everything=not names)
            except NothingStaged:
                if recovered:
                    # This very command was interrupted after the point of no return, and is finished now.
                    return Report("workloads apply", warnings=recovered)
                raise
            if not found:
                return Report("workloads apply", warnings=recovered)
            ops.refuse_unready(found, node.store)
            done = node.apply(found, who=node.who, stop=stop, care=care, force=asked.force)
    outcome, more = ("applied", "; nobody has waited for it") if asked.blind else ("running", "")
    items = tuple(Item("workload", workload.name, outcome, f"{_from_to(workload)}{more}") for workload in found)
    return Report("workloads apply", items, warnings=(*done.plan.notes, *done.warnings))


def _from_to(workload: Workload) -> str:
    after = f"{workload.staged.spec.app_name} {workload.staged.spec.app_version}" if workload.staged else ""
    return f"{after}, before {workload.running.spec.app_version}" if workload.running else f"{after}, new"
