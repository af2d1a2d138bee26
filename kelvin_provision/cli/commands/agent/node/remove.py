"""Remove a member: its key is not accepted any more."""

from __future__ import annotations

from typing import Annotated

from kelvin_provision.cli.frame.declared import Argument
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report


def command(session: Session, name: Annotated[str, Argument(metavar="NAME", help="The member.")]) -> Report:
    """Remove a member: its key is not accepted any more.

    Images that it has stay there, and what runs goes on. It joins again with another token.
    """
    from kelvin_provision.cli.frame.box import context_of
    from kelvin_provision.nodes.managing import remove

    with context_of(session) as ctx:
        node = remove(ctx, name)
    return Report("node remove", (Item("node", node.name, "removed"),))
