"""Print what workloads write."""

from __future__ import annotations

from typing import Annotated

import typer

from kelvin_provision.cli.frame.arguments import Name
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Report
from kelvin_provision.errors import UsageRefused

_TAIL = typer.Option("--tail", metavar="N", min=0, max=10_000, help="Only the last lines of each container; all unless told.")
_SINCE = typer.Option("--since", metavar="T", help="Only what is newer: a time (RFC 3339) or a duration (10m, 1h30m).")
_PREVIOUS = typer.Option("--previous", help="What ran before the last restart.")
_FOLLOW = typer.Option("-f", "--follow", help="Go on as it is written, new pods too, until Ctrl-C or until none is left.")


def command(
    session: Session,
    *,
    name: Name,
    follow: Annotated[bool, _FOLLOW] = False,
    tail: Annotated[int | None, _TAIL] = None,
    since: Annotated[str | None, _SINCE] = None,
    previous: Annotated[bool, _PREVIOUS] = False,
    timestamps: Annotated[bool, typer.Option("--timestamps", help="Each line begins with its time.")] = False,
) -> Report:
    """Print what workloads write.

    With --json: the platform's document, `{"logs": {POD: [LINE]}}`, each line with its time, of the last 10000 lines of a container and
    8 MiB at most. With --follow --json: one object a line, with `pod`, `container`, `time` and `line`.
    """
    from kelvin_provision.cli.frame.since import since as moment
    from kelvin_provision.cli.render import loglines
    from kelvin_provision.timestamps import now

    if previous and follow:
        raise UsageRefused("--previous shows what has ended: without --follow")
    begin = moment(since, now()) if since is not None else None
    return loglines.logs(session, name, loglines.Wanted(tail, begin, previous=previous, follow=follow, timestamps=timestamps))
