"""List the users of the API with their levels."""

from __future__ import annotations

from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import SCHEMA, Report, Table


def command(session: Session) -> Report:
    """List the users of the API with their levels."""
    from kelvin_provision.cli.frame.box import context_of
    from kelvin_provision.usecases import api_users

    with context_of(session) as ctx:
        users = api_users.users_of(ctx).all()
    columns = ("name", "level", "created", "changed")
    documents = [{name: str(getattr(user, name)) for name in columns} for user in users]
    table = Table(columns, [tuple(document.values()) for document in documents], empty="The API has no user yet.")
    return Report("api user list", table=table, document={"schema": SCHEMA, "users": documents}, names=tuple(user.name for user in users))
