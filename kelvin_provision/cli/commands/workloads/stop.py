"""Stop workloads and keep them on this box with their data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kelvin_provision.cli.frame.arguments import Names, Yes
from kelvin_provision.cli.frame.confirm import confirm
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report

if TYPE_CHECKING:
    from kelvin_provision.ledger.model.workloads import Workload


def command(
    session: Session,
    *,
    name: Names,
    yes: Yes = False,
) -> Report:
    """Stop workloads and keep them on this box with their data.

    They stay stopped, also after a reboot, until `start` or `apply`. It asks for confirmation, and is refused without --yes
    where there is no terminal to ask on.
    """
    return stop(session, name, yes=yes)


def stop(session: Session, names: list[str], *, yes: bool) -> Report:
    from kelvin_provision.cli.frame.box import context_of, operating
    from kelvin_provision.usecases import start_stop

    with context_of(session) as ctx:
        workloads = ctx.ledger.workloads(names)
    if any(workload.running for workload in workloads):
        confirm(f"this will stop {', '.join(workload.name for workload in workloads)}; persistent data is kept", yes=yes)
    # A signal is noted and the stop finished: half a stop would only have to be finished by the next command.
    with operating(session) as ctx:
        result = start_stop.stop(ctx, names)
    items = tuple(_item(workload, changed=workload.name in result.changed) for workload in result.workloads)
    return Report("workloads stop", items, warnings=result.warnings)


def _item(workload: Workload, *, changed: bool) -> Item:
    if changed:
        return Item("workload", workload.name, "stopped")
    return Item("workload", workload.name, "unchanged", "it was stopped already" if workload.running else "nothing of it runs")
