"""Send no new images to a member."""

from __future__ import annotations

from typing import Annotated

from kelvin_provision.cli.frame.declared import Argument, Option
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report

_UNDO = Option("--undo", help="Send it images again.")


def command(
    session: Session, name: Annotated[str, Argument(metavar="NAME", help="The member.")], *, undo: Annotated[bool, _UNDO] = False
) -> Report:
    """Send no new images to a member.

    What it has stays there. Its pods are the cluster's matter: kubectl drain moves them.
    """
    from kelvin_provision.cli.frame.box import context_of
    from kelvin_provision.nodes.managing import drain

    with context_of(session) as ctx:
        node = drain(ctx, name, draining=not undo)
    return Report("node drain", (Item("node", node.name, "draining" if node.draining else "in use"),))
