"""Lift the lock-out of a user after failed logins."""

from __future__ import annotations

from typing import Annotated

from kelvin_provision.cli.frame.declared import Argument
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report


def command(session: Session, name: Annotated[str, Argument(metavar="NAME", help="The user.")]) -> Report:
    """Lift the lock-out of a user after failed logins.

    Users are locked out only where `api.lockout` is set.
    """
    from kelvin_provision.cli.frame.box import context_of
    from kelvin_provision.usecases import api_users

    with context_of(session) as ctx:
        user = api_users.unlock(ctx, name)
    return Report("api user unlock", (Item("user", user.name, "unlocked"),))
