"""Print the logs of a workload."""

from __future__ import annotations

from typing import Annotated

import typer

from kelvin_provision.cli.frame.arguments import Name
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Report
from kelvin_provision.errors import UsageRefused

_TAIL = typer.Option("--tail", metavar="N", min=0, max=10_000, help="Only the last N lines of each container.  [default: all]")
_SINCE = typer.Option("--since", metavar="TIME", help="Only lines after a time (RFC 3339) or of the last 10m, 1h30m.")
_PREVIOUS = typer.Option("--previous", help="The containers before their last restart.")
_FOLLOW = typer.Option("-f", "--follow", help="Keep printing new lines, those of new pods too, until Ctrl-C or until no pod is left.")


def command(
    session: Session,
    *,
    name: Name,
    follow: Annotated[bool, _FOLLOW] = False,
    tail: Annotated[int | None, _TAIL] = None,
    since: Annotated[str | None, _SINCE] = None,
    previous: Annotated[bool, _PREVIOUS] = False,
    timestamps: Annotated[bool, typer.Option("--timestamps", help="Print the time at the beginning of each line.")] = False,
) -> Report:
    """Print the logs of a workload.

    With --json: the platform's document, `{"logs": {POD: [LINE]}}`, with the time of each line; at most the last 10000 lines of a
    container and 8 MiB. With --follow --json: one object a line, with `pod`, `container`, `time` and `line`.
    """
    from kelvin_provision.cli.frame.since import since as moment
    from kelvin_provision.cli.render import loglines
    from kelvin_provision.timestamps import now

    if previous and follow:
        raise UsageRefused("--previous shows what has ended: without --follow")
    begin = moment(since, now()) if since is not None else None
    return loglines.logs(session, name, loglines.Wanted(tail, begin, previous=previous, follow=follow, timestamps=timestamps))
