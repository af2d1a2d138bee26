"""Set the level of a user."""

from __future__ import annotations

from typing import Annotated

from kelvin_provision.access.levels import Level
from kelvin_provision.cli.frame.declared import Argument
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report

_NAME = Argument(metavar="NAME", help="The user.")
_LEVEL = Argument(metavar="LEVEL", help="read, operate, deploy or admin; each may do all that the one before may.")


def command(session: Session, name: Annotated[str, _NAME], level: Annotated[Level, _LEVEL]) -> Report:
    """Set the level of a user.

    It counts at once, also for sessions and tokens that the user has. Tokens of programs that the user made keep theirs.
    """
    from kelvin_provision.cli.frame.box import context_of
    from kelvin_provision.usecases import api_users

    with context_of(session) as ctx:
        user = api_users.set_level(ctx, name, level)
    return Report("api user level", (Item("user", user.name, "changed", user.level.value),))
