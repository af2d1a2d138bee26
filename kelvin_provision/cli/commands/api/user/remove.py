"""Remove a user of the API, and end all of the user's tokens."""

from __future__ import annotations

from typing import Annotated

from kelvin_provision.cli.frame.declared import Argument
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report


def command(session: Session, name: Annotated[str, Argument(metavar="NAME", help="The user.")]) -> Report:
    """Remove a user of the API, and end all of the user's tokens.

    Tokens for programs that the user made over the API stay valid; they are listed.
    """
    from kelvin_provision.cli.frame.box import context_of
    from kelvin_provision.cli.frame.hints import line
    from kelvin_provision.usecases import api_users
    from kelvin_provision.usecases.api_tokens import revoking

    with context_of(session) as ctx:
        removed = api_users.remove(ctx, name)
    warnings = (f"token {token.name} ({token.level}), which {name} made, goes on: {line(revoking(token))}" for token in removed.tokens)
    return Report("api user remove", (Item("user", name, "removed"),), warnings=tuple(warnings))
