"""Print the logs of a workload."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from kelvin_provision.cli.frame import terminal
from kelvin_provision.cli.frame.arguments import Name
from kelvin_provision.cli.frame.declared import Option
from kelvin_provision.cli.frame.session import Output, Session
from kelvin_provision.cli.frame.streaming import line, reader_gone, streamed, write
from kelvin_provision.cli.render.report import Report
from kelvin_provision.errors import Interrupted, UsageRefused

if TYPE_CHECKING:
    from kelvin_provision.context import Context
    from kelvin_provision.queries.logs import LogsRequest

_TAIL = Option("--tail", metavar="N", min=0, max=10_000, help="Only the last N lines of each container.  [default: all]")
_SINCE = Option("--since", metavar="TIME", help="Only lines after a time (RFC 3339) or of the last 10m, 1h30m.")
_PREVIOUS = Option("--previous", help="The containers before their last restart.")
_FOLLOW = Option("-f", "--follow", help="Keep printing new lines, those of new pods too, until Ctrl-C or until no pod is left.")


def command(
    session: Session,
    *,
    name: Name,
    follow: Annotated[bool, _FOLLOW] = False,
    tail: Annotated[int | None, _TAIL] = None,
    since: Annotated[str | None, _SINCE] = None,
    previous: Annotated[bool, _PREVIOUS] = False,
    timestamps: Annotated[bool, Option("--timestamps", help="Print the time at the beginning of each line.")] = False,
) -> Report:
    """Print the logs of a workload.

    Lines are printed as written, except that secrets known to this box are masked.

    With --json: the platform's document, `{"logs": {POD: [LINE]}}`, with the time of each line; at most the last 10000 lines of a
    container and 8 MiB. With --follow --json: one object per line, with `pod`, `container`, `time` and `line`.
    """
    from kelvin_provision.cli.frame.values.since import since as moment
    from kelvin_provision.queries.logs import LogsRequest
    from kelvin_provision.timestamps import now

    if previous and follow:
        raise UsageRefused("--previous cannot be combined with --follow")
    begin = moment(since, now()) if since is not None else None
    request = LogsRequest(name, tail, begin, previous=previous, follow=follow)
    if session.document and not follow:
        return _document(session, request)
    return streamed(session, "workloads logs", lambda: _write(session, request, timestamps=timestamps))


def _document(session: Session, request: LogsRequest) -> Report:
    from kelvin_provision.queries.logs import logs

    with _stoppable(session, follow=False) as ctx:
        result = logs(ctx, request)
    return Report("workloads logs", document=result.to_json(), warnings=result.warnings)


def _write(session: Session, request: LogsRequest, *, timestamps: bool) -> None:
    """Line by line. Ctrl-C ends it, which is no failure with --follow: that has no other end."""
    from kelvin_provision.cli.render.loglines import LineFormat
    from kelvin_provision.queries.logs import line_to_json, stream

    written = LineFormat(timestamps=timestamps, escape=terminal.is_terminal(sys.stdout))
    with _stoppable(session, follow=request.follow) as ctx:
        for entry in stream(ctx, request):
            if session.output is Output.JSON:
                line(line_to_json(entry))
            else:
                write(written(entry))
        if ctx.stop() and not request.follow:
            raise Interrupted("stopped by a signal")


@contextmanager
def _stoppable(session: Session, *, follow: bool) -> Iterator[Context]:
    from kelvin_provision.cli.frame.box import context_of, signals_noted

    with context_of(session) as ctx, signals_noted(hangup=True) as signalled:
        # Nothing may be written for hours, so only asking tells that the reader is gone.
        yield replace(ctx, stop=(lambda: signalled() or reader_gone()) if follow else signalled)
