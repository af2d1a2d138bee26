"""Add a user of the API."""

from __future__ import annotations

from typing import Annotated

from kelvin_provision.access.levels import Level
from kelvin_provision.cli.commands.api.user.password import Stdin
from kelvin_provision.cli.frame.declared import Argument, Option
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report

_NAME = Argument(metavar="NAME", help="The name that is typed at a login.")
_LEVEL = Option("--level", metavar="LEVEL", help="read, operate, deploy or admin; each may do all that the one before may.")


def command(
    session: Session,
    name: Annotated[str, _NAME],
    *,
    level: Annotated[Level, _LEVEL] = Level.READ,
    password_stdin: Stdin = False,
) -> Report:
    """Add a user of the API.

    The password needs 8 characters with an upper-case letter, a lower-case letter and a digit, as on the platform.
    """
    from kelvin_provision.cli.commands.api.user.password import ask
    from kelvin_provision.cli.frame.box import context_of
    from kelvin_provision.usecases import api_users

    with context_of(session) as ctx:
        api_users.refuse_taken(ctx, name)
        user = api_users.add(ctx, name, ask(stdin=password_stdin), level)
    return Report("api user add", (Item("user", user.name, "added", user.level.value),))
