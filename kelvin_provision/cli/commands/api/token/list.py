"""List the tokens of programs with their last use."""

from __future__ import annotations

from kelvin_provision import timestamps
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import SCHEMA, Report, Table


def command(session: Session) -> Report:
    """List the tokens of programs with their last use.

    The last use is written at most once an hour for each token.
    """
    from kelvin_provision.cli.frame.box import context_of
    from kelvin_provision.usecases import api_tokens

    with context_of(session) as ctx:
        items = api_tokens.listed(ctx)
    rows = [
        (
            item.token.name,
            item.token.level.value,
            item.token.creator,
            "expired" if item.is_expired else timestamps.local(timestamps.rfc3339_of_epoch(item.token.expires)),
            "never" if item.last_used is None else timestamps.local(timestamps.rfc3339_of_epoch(item.last_used)),
        )
        for item in items
    ]
    table = Table(("name", "level", "created by", "expires", "last used"), rows, empty="The API has no token yet.")
    document = {"schema": SCHEMA, "tokens": [item.to_json() for item in items]}
    return Report("api token list", table=table, document=document, names=tuple(item.token.name for item in items))
