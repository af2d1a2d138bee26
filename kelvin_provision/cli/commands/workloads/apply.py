"""Apply staged workloads, all or none, and wait until they run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from kelvin_provision.cli.frame.arguments import All, OptionalNames
from kelvin_provision.cli.frame.declared import Option
from kelvin_provision.cli.frame.dry_run import DryExitCode, DryRun, refuse_exit_code, staged
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.frame.values.durations import RollbackTimeout, Timeout
from kelvin_provision.cli.render.report import Item, Report
from kelvin_provision.errors import UsageRefused
from kelvin_provision.hints import command as to_type

if TYPE_CHECKING:
    from kelvin_provision.usecases.apply import AppliedWorkload, ApplyRequest

_LEAVE = Option("--no-rollback", help="On failure, keep the new version for inspection instead of rolling back.")
_FORCE = Option("--force", help="Apply outside apply.window, and workloads that are held.")
_RETRY = Option("--retry-failed", help="With --all: also versions that did not come up at an earlier apply, or were rolled back.")
_AT = Option("--at", metavar="TIME", help="Let the agent apply at this time: 02:00 (the next one), or a date and a time.")
_CANCEL = Option("--cancel", help="Cancel an apply scheduled with --at.")
_BLIND = Option("--no-wait", help="Do not wait until they run; a failure is not rolled back.")


def command(
    session: Session,
    *,
    name: OptionalNames,
    every: All = False,
    timeout: Timeout = None,
    rollback_timeout: RollbackTimeout = None,
    no_rollback: Annotated[bool, _LEAVE] = False,
    no_wait: Annotated[bool, _BLIND] = False,
    force: Annotated[bool, _FORCE] = False,
    retry_failed: Annotated[bool, _RETRY] = False,
    at: Annotated[str | None, _AT] = None,
    cancel: Annotated[bool, _CANCEL] = False,
    dry_run: DryRun = False,
    exit_code: DryExitCode = False,
) -> Report:
    """Apply staged workloads, all or none, and wait until they run.

    It needs no internet. If one of them does not come up, all are rolled back to what ran before.

    --no-rollback: the failed version stays on the cluster beside or in place of the old one, and stays staged;
    `workloads rollback` goes back to what ran before.

    --no-wait: the new version counts as running at once. There is no evidence of a failure, no automatic rollback and, on Docker,
    no check before clients are switched over. A version that never comes up is shown as failed by `workloads list`.

    --at: the agent applies the workloads at that time as one transaction, also after a reboot; never early, and no later than
    apply.grace. A new --at, --cancel, an apply by hand or a new deploy of one of them cancels it for all of them.

    With --all, versions that cannot be staged, that the cluster would refuse (a dry run at the end of staging), that did not come up
    at an earlier apply or were rolled back are left out and named in warnings; --retry-failed takes the last two. A version that is
    named is tried, if it could be staged. Exit code 1 when nothing else is staged, or when a named version cannot be staged; 75 while
    one is still downloading.

    Outside apply.window, and while a workload is held, apply is refused (75) without --force.
    """
    if no_rollback and no_wait:
        raise UsageRefused("--no-wait and --no-rollback exclude each other: without waiting, no failure is noticed")
    if bool(name) == every:
        raise UsageRefused("give the workloads: NAME..., or --all", hint=to_type("workloads list", "--staged"))
    if retry_failed and not every:
        raise UsageRefused("--retry-failed goes with --all: a workload that is named is tried again anyway")
    refuse_exit_code(exit_code=exit_code, dry_run=dry_run)
    if at is not None or cancel:
        if no_rollback or no_wait or dry_run or timeout or rollback_timeout or retry_failed or (cancel and (force or at is not None)):
            raise UsageRefused("--at can be combined with --force only, and --cancel with nothing")
        return _cancel(session, name) if cancel else _schedule(session, name, str(at), force=force)
    if dry_run:
        return staged(session, name or (), "workloads apply --dry-run", exit_code=exit_code, retry_failed=retry_failed)
    from kelvin_provision.ledger.model.operations import OnFailure
    from kelvin_provision.usecases.apply import ApplyRequest

    on_failure = OnFailure.KEEP if no_rollback else OnFailure.ROLL_BACK
    return apply(
        session,
        ApplyRequest(tuple(name or ()), timeout, rollback_timeout, on_failure, wait=not no_wait, force=force, retry_failed=retry_failed),
    )


def apply(session: Session, request: ApplyRequest) -> Report:
    from kelvin_provision.cli.frame.box import operating
    from kelvin_provision.usecases import apply as usecase

    with operating(session) as ctx:
        result = usecase.apply(ctx, request)
    items = tuple(_item(workload, waited=result.waited) for workload in result.applied)
    return Report("workloads apply", items, warnings=result.warnings)


def _item(workload: AppliedWorkload, *, waited: bool) -> Item:
    if not waited:
        return Item("workload", workload.name, "applied", f"{_from_to(workload)}; not waited for")
    if workload.unfinished:
        return Item("workload", workload.name, "applied", f"{_from_to(workload)}; {workload.unfinished}")
    return Item("workload", workload.name, "running", _from_to(workload))


def _from_to(workload: AppliedWorkload) -> str:
    before = f"before {workload.version_before}" if workload.version_before else "new"
    return f"{workload.app_name} {workload.version}, {before}"


def _schedule(session: Session, names: list[str] | None, text: str, *, force: bool) -> Report:
    from kelvin_provision.cli.frame.box import context_of
    from kelvin_provision.local_times import moment, shown
    from kelvin_provision.usecases.schedule import ScheduleRequest, schedule

    with context_of(session) as ctx:
        result = schedule(ctx, ScheduleRequest(moment(text, ctx.now), tuple(names or ()), force=force))
    items = tuple(Item("workload", name, "accepted", f"will be applied at {shown(result.at)}") for name in result.names)
    return Report("workloads apply", items, warnings=result.warnings)


def _cancel(session: Session, names: list[str] | None) -> Report:
    from kelvin_provision.cli.frame.box import context_of
    from kelvin_provision.usecases.schedule import cancel

    with context_of(session) as ctx:
        result = cancel(ctx, names or ())
    unchanged = (Item("workload", name, "unchanged", "no apply of it is scheduled") for name in result.unchanged)
    return Report("workloads apply --cancel", (*(Item("workload", name, "cancelled") for name in result.cancelled), *unchanged))
