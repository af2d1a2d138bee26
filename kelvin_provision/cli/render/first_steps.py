"""The first commands to type on a new box. Printed for people on stderr: scripts see no difference."""

from __future__ import annotations

from dataclasses import replace

from kelvin_provision.cli.render.report import Table

REGISTRY = "kelvin-provision config set registry HOST[:PORT]"
DEPLOY = "kelvin-provision workloads deploy -f REQUEST.json"


def of_member(table: Table, leader: str) -> Table:
    """A member deploys nothing."""
    return replace(table, empty=f"This node is a member of {leader}, which has the workloads.")


def with_first_steps(table: Table, registry: str | None) -> Table:
    """`registry` is the configured one, or empty."""
    lines = (f" hint: {DEPLOY}",) if registry else (f" hint: {REGISTRY}", f"       {DEPLOY}")
    return replace(table, empty="\n".join((table.empty, *lines)))
