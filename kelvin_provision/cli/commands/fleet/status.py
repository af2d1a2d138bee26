"""Show what the boxes of a fleet report: versions, states, and who is behind."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from kelvin_provision.cli.frame.declared import Argument, Option
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import SCHEMA, Report

_REPOSITORY = Argument(metavar="REGISTRY/REPO", help="Where boxes report to: the follow.report of their settings.")
_KEYS = Option("--keys", metavar="FOLDER", help="A folder with the public key of each box, as BOX.pub: others are marked.")
_BOXES = Option("--boxes", help="A line for each box instead of each version.")
_ATTENTION = Option("--attention", help="Only the boxes that are behind, late, have a failure, or are not known.")


def command(
    session: Session,
    repository: Annotated[str, _REPOSITORY],
    *,
    keys: Annotated[Path | None, _KEYS] = None,
    boxes: Annotated[bool, _BOXES] = False,
    attention: Annotated[bool, _ATTENTION] = False,
) -> Report:
    """Show what the boxes of a fleet report: versions, states, and who is behind.

    A line for each version of each workload with the number of boxes, or with --boxes one for each box. A box is behind whose publication
    is not the one that its tag stands for now, and late when its newest report is older than a box lets it become: it reports each change
    and once a day. With --keys, only reports that a box has signed with its own key count; `follow key` prints
    that key at the box. Without it, no report is verified.
    """
    from kelvin_provision import timestamps
    from kelvin_provision.cli.commands.fleet import shown
    from kelvin_provision.cli.frame.box import operating
    from kelvin_provision.fleet.status import fleet_status
    from kelvin_provision.refs import Reference

    with operating(session) as ctx:
        result = fleet_status(ctx, Reference.parse(repository), keys)
        now = timestamps.parse(ctx.connections.wiring.clock())
    document = {"schema": SCHEMA, "command": "fleet status"} | result.to_json()
    rows = shown.attention(result) if attention else result.boxes
    table = shown.boxes(result, rows, now) if boxes or attention else shown.versions(result)
    return Report("fleet status", document=document, table=table, warnings=shown.warnings(result), names=tuple(row.box for row in rows))
