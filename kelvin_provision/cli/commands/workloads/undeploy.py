"""Remove workloads, or only their staged versions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from kelvin_provision.cli.frame.arguments import Names
from kelvin_provision.cli.frame.confirm import confirm
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report
from kelvin_provision.quantity import format_bytes

if TYPE_CHECKING:
    from kelvin_provision.ledger.model import Workload


def command(
    session: Session,
    *,
    name: Names,
    staged: Annotated[bool, typer.Option("--staged", help="Only the staged version; what runs goes on.")] = False,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")] = False,
) -> Report:
    """Remove workloads, or only their staged versions.

    A workload's local data goes with it. Without --yes it asks, and refuses where there is no terminal to ask on.
    """
    return undeploy(session, name, staged=staged, yes=yes)


def undeploy(session: Session, names: list[str], *, staged: bool, yes: bool) -> Report:
    """Ask, then remove under the operator lock, then free what nobody needs any more."""
    from kelvin_provision.applying import undeploy as ops
    from kelvin_provision.cli.frame.box import node_of, signals_noted
    from kelvin_provision.cli.render.progress import choose

    with choose(session) as progress, node_of(session, progress=progress) as node:
        found = node.ledger.workloads(names)
        if staged and not node.interrupted:
            ops.refuse_bare(found)
        _ask(found, staged=staged, yes=yes)
        # A dropped terminal or an impatient Ctrl-C must not leave half of it: it takes seconds, and there is no way back to offer.
        with signals_noted(), node.changing(f"workloads undeploy {' '.join(f'-n {name}' for name in names)}") as recovered:
            left = set(node.ledger.names())
            if recovered and not left & set(names):
                return Report("workloads undeploy", warnings=recovered)
            if staged:
                ops.run_staged(node.ledger, lambda: node.cluster, names, who=node.who)
                gone: dict[str, tuple[str, ...]] = {}
            else:
                gone = ops.run(node.ledger, lambda: node.cluster, names, who=node.who)
            freed = node.sweep()
    outcome = "staged version removed" if staged else "undeployed"
    items = tuple(Item("workload", workload.name, outcome, ", ".join(gone.get(workload.name, ()))) for workload in found)
    return Report("workloads undeploy", (*items, Item("store", str(node.settings.state_dir), "freed", format_bytes(freed))))


def _ask(found: Sequence[Workload], *, staged: bool, yes: bool) -> None:
    from kelvin_provision.applying.undeploy import data_of

    named = ", ".join(workload.name for workload in found)
    if staged:
        confirm(f"this will remove the staged version of {named}; what runs goes on", yes=yes)
        return
    lost = [f"{workload.name}: the data of volume {volume}" for workload in found for volume in data_of(workload)]
    confirm(f"this will remove {named} with all local data", yes=yes, goes=lost)
