"""Remove a user of the API, and end all of the user's tokens."""

from __future__ import annotations

from typing import Annotated

from kelvin_provision.cli.frame.declared import Argument
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report


def command(session: Session, name: Annotated[str, Argument(metavar="NAME", help="The user.")]) -> Report:
    """Remove a user of the API, and end all of the user's tokens."""
    from kelvin_provision.cli.frame.box import context_of
    from kelvin_provision.usecases import api_users

    with context_of(session) as ctx:
        user = api_users.remove(ctx, name)
    return Report("api user remove", (Item("user", user.name, "removed"),))
