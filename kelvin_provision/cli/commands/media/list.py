"""List the bundles on media that have arrived and are in the box."""

from __future__ import annotations

from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import SCHEMA, Report


def command(session: Session) -> Report:
    """List the bundles on media that have arrived and are in the box.

    As `media arrived` has seen them: whose they are, and what became of each, or the command that imports it.
    """
    from kelvin_provision.cli.commands.media.shown import items_of
    from kelvin_provision.cli.frame.box import context_of
    from kelvin_provision.media.arrivals import present

    with context_of(session) as ctx:
        arrivals = present(ctx.ledger)
    document = {"schema": SCHEMA, "command": "media list", "media": [arrival.to_json() for arrival in arrivals]}
    items = tuple(item for arrival in arrivals for item in items_of(arrival))
    return Report("media list", items, document=document, names=tuple(item.name for item in items))
