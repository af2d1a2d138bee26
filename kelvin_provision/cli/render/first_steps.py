"""What to type on a box that nothing was ever done on. Said to people only, on stderr: scripts see no difference."""

from __future__ import annotations

from dataclasses import replace

from kelvin_provision.cli.render.report import Table
from kelvin_provision.context import Context

REGISTRY = "kelvin-provision config set registry HOST[:PORT]"
DEPLOY = "kelvin-provision workloads deploy -f REQUEST.json"


def hinted(table: Table, ctx: Context) -> Table:
    """The table, with the first steps where it says that there is nothing yet."""
    if table.rows or ctx.ledger.names():
        return table
    from kelvin_provision.ledger import journal  # `list` on a box in use need not pay for it

    if journal.head(ctx.ledger):
        return table
    lines = (f" hint: {DEPLOY}",) if ctx.settings.registry else (f" hint: {REGISTRY}", f"       {DEPLOY}")
    return replace(table, empty="\n".join((table.empty, *lines)))
