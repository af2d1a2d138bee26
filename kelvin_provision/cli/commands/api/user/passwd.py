"""Set the password of a user, and end all of the user's tokens."""

from __future__ import annotations

from typing import Annotated

from kelvin_provision.cli.commands.api.user.password import Stdin
from kelvin_provision.cli.frame.declared import Argument
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report


def command(session: Session, name: Annotated[str, Argument(metavar="NAME", help="The user.")], *, password_stdin: Stdin = False) -> Report:
    """Set the password of a user, and end all of the user's tokens."""
    from kelvin_provision.cli.commands.api.user.password import ask
    from kelvin_provision.cli.frame.box import context_of
    from kelvin_provision.usecases import api_users

    with context_of(session) as ctx:
        api_users.users_of(ctx).get(name)
        user = api_users.set_password(ctx, name, ask(stdin=password_stdin))
    return Report("api user passwd", (Item("user", user.name, "changed"),))
