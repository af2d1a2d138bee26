"""Stop workloads and keep them on this box with their data."""

from __future__ import annotations

from typing import Annotated

import typer

from kelvin_provision.cli.frame.arguments import Names
from kelvin_provision.cli.frame.confirm import confirm
from kelvin_provision.cli.frame.durations import flags
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report


def command(
    session: Session,
    *,
    name: Names,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")] = False,
) -> Report:
    """Stop workloads and keep them on this box with their data.

    They stay stopped, after a reboot as well, until `start` or `apply`. Without --yes it asks, and refuses where there is no
    terminal to ask on.
    """
    return stop(session, name, yes=yes)


def stop(session: Session, names: list[str], *, yes: bool) -> Report:
    """Ask, then stop under the operator lock."""
    from kelvin_provision.applying import life
    from kelvin_provision.cli.frame.box import node_of, signals_noted
    from kelvin_provision.cli.render.progress import choose

    with choose(session) as progress, node_of(session, progress=progress) as node:
        found = node.ledger.workloads(names)
        if any(workload.running for workload in found):
            confirm(f"this will stop {', '.join(workload.name for workload in found)}; persistent data is kept", yes=yes)
        # A signal waits: half a stop would only have to be finished by the next command.
        with signals_noted(), node.changing(f"workloads stop {flags(names)}"):
            running = {workload.name for workload in node.ledger.workloads(names) if workload.running}
            done = life.stop(node.tools, names) if running else frozenset()
    items = []
    for workload in found:
        if workload.name in done:
            items.append(Item("workload", workload.name, "stopped"))
        else:
            why = "it was stopped already" if workload.name in running else "nothing of it runs"
            items.append(Item("workload", workload.name, "unchanged", why))
    return Report("workloads stop", tuple(items))
