"""Release workloads that a person holds."""

from __future__ import annotations

from kelvin_provision.cli.frame.arguments import Names
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report


def command(session: Session, *, name: Names) -> Report:
    """Release workloads that a person holds.

    What waited for it goes on. A workload that holds itself lets go by itself.
    """
    return release(session, name)


def release(session: Session, names: list[str]) -> Report:
    """In the ledger alone."""
    from kelvin_provision.cli.frame.box import node_of
    from kelvin_provision.ledger import holds

    with node_of(session) as node:
        found = node.ledger.workloads(names)
        holds.release(node.ledger, found, who=node.who)
        left = [(workload.name, hold) for workload in node.ledger.workloads(names) for hold in workload.holds]
    items = (
        Item("workload", one.name, *(("released", one.held.reason) if one.held else ("unchanged", "nobody holds it"))) for one in found
    )
    return Report("workloads release", tuple(items), warnings=tuple(f"{name} is still {hold}" for name, hold in left))
