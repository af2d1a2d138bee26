"""Remove workloads, or only their staged versions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from kelvin_provision.cli.frame.arguments import Names, Yes
from kelvin_provision.cli.frame.confirm import confirm
from kelvin_provision.cli.frame.declared import Option
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report
from kelvin_provision.quantity import format_bytes

if TYPE_CHECKING:
    from kelvin_provision.ledger.model.workloads import Workload
    from kelvin_provision.usecases.undeploy import UndeployRequest


def command(
    session: Session,
    *,
    name: Names,
    staged: Annotated[bool, Option("--staged", help="Remove only the staged version; the running one keeps running.")] = False,
    yes: Yes = False,
) -> Report:
    """Remove workloads, or only their staged versions.

    The local data of a workload is removed with it. It asks for confirmation, and is refused without --yes where there is no
    terminal to ask on.
    """
    from kelvin_provision.usecases.undeploy import UndeployRequest

    return undeploy(session, UndeployRequest(tuple(name), staged), yes=yes)


def undeploy(session: Session, request: UndeployRequest, *, yes: bool) -> Report:
    from kelvin_provision.cli.frame.box import context_of, operating
    from kelvin_provision.ledger.model.orders import Target
    from kelvin_provision.usecases import undeploy as usecase

    with context_of(session) as ctx:
        workloads = usecase.find(ctx, request)
    _ask(workloads, staged=request.staged, yes=yes)
    if request.staged:
        # The answer to the question is about these: it may take minutes, and deploys are accepted at any time.
        request = replace(request, seen=tuple(Target(workload.name, workload.staged.number) for workload in workloads if workload.staged))
    # A signal is noted and the removal finished: it takes seconds, and there is no undo to offer.
    with operating(session) as ctx:
        result = usecase.undeploy(ctx, request)
        state_dir = str(ctx.settings.state_dir)
    if not result.removed:
        return Report("workloads undeploy", warnings=result.warnings)
    outcome = "staged version removed" if request.staged else "undeployed"
    items = tuple(Item("workload", name, outcome, ", ".join(result.objects.get(name, ()))) for name in result.removed)
    return Report("workloads undeploy", (*items, Item("store", state_dir, "freed", format_bytes(result.freed))), warnings=result.warnings)


def _ask(workloads: Sequence[Workload], *, staged: bool, yes: bool) -> None:
    from kelvin_provision.usecases.undeploy import lost_volumes

    names = ", ".join(workload.name for workload in workloads)
    if staged:
        confirm(f"this will remove the staged version of {names}; the running version keeps running", yes=yes)
        return
    lost = [f"{workload.name}: the data of volume {volume}" for workload in workloads for volume in lost_volumes(workload)]
    confirm(f"this will remove {names} with all local data", yes=yes, goes=lost)
