"""Revoke a token of a program."""

from __future__ import annotations

from typing import Annotated

from kelvin_provision.cli.frame.declared import Argument
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report


def command(session: Session, name: Annotated[str, Argument(metavar="NAME", help="The token.")]) -> Report:
    """Revoke a token of a program.

    Its next request is refused.
    """
    from kelvin_provision.cli.frame.box import context_of
    from kelvin_provision.usecases import api_tokens

    with context_of(session) as ctx:
        token = api_tokens.revoke(ctx, name)
    return Report("api token revoke", (Item("token", token.name, "revoked"),))
