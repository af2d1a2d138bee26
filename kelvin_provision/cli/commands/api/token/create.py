"""Create a token for a program, and show it once."""

from __future__ import annotations

from typing import Annotated

from kelvin_provision.access.levels import Level
from kelvin_provision.cli.frame.declared import Argument, Option
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.frame.values.durations import duration
from kelvin_provision.cli.render.report import SCHEMA, Line, Report

_NAME = Argument(metavar="NAME", help="What the token is for; the history has it as token:NAME.")
_LEVEL = Option("--level", metavar="LEVEL", help="read, operate, deploy or admin; each may do all that the one before may.")
_LIFETIME = duration("--for", "How long it is valid, at most 366d.  [default: 90d]")
_DEFAULT = 90 * 86_400.0


def command(
    session: Session,
    name: Annotated[str, _NAME],
    *,
    level: Annotated[Level, _LEVEL] = Level.READ,
    lifetime: Annotated[float | None, _LIFETIME] = None,
) -> Report:
    """Create a token for a program, and show it once.

    Standard output has the token and nothing else. A program sends it as `Authorization: Bearer TOKEN`, on all routes that its level
    allows. The box keeps only its name, level and number: a token that is lost is replaced by another one.
    """
    from kelvin_provision.cli.frame.box import context_of
    from kelvin_provision.usecases import api_tokens

    with context_of(session) as ctx:
        request = api_tokens.TokenRequest(name, level, lifetime or _DEFAULT, api_tokens.issuer_of(ctx.settings))
        created = api_tokens.create(ctx, request)
    document = {"schema": SCHEMA, "token": created.item.to_json(), "access_token": created.text}
    return Report("api token create", lines=(Line(created.text),), document=document, warnings=("this token is not shown again",))
