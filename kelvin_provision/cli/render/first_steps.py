"""What to type on a box that was never used. For people only, on stderr: scripts see no difference."""

from __future__ import annotations

from dataclasses import replace

from kelvin_provision.cli.render.report import Table

REGISTRY = "kelvin-provision config set registry HOST[:PORT]"
DEPLOY = "kelvin-provision workloads deploy -f REQUEST.json"


def with_first_steps(table: Table, registry: str | None) -> Table:
    """`registry` is the one that is set, if any."""
    lines = (f" hint: {DEPLOY}",) if registry else (f" hint: {REGISTRY}", f"       {DEPLOY}")
    return replace(table, empty="\n".join((table.empty, *lines)))
