"""Writing logs: as text while they come, as the platform's document, or as one object a line."""

from __future__ import annotations

import re
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from kelvin_provision.cli.frame import terminal
from kelvin_provision.cli.frame.box import context_of, signals_noted
from kelvin_provision.cli.frame.session import Output, Session
from kelvin_provision.cli.frame.streaming import line, reader_gone, streamed, write
from kelvin_provision.cli.render.report import Report
from kelvin_provision.cluster.logs.lines import LogLine
from kelvin_provision.context import Context
from kelvin_provision.errors import Interrupted, LogMissing
from kelvin_provision.hints import command
from kelvin_provision.status import Observed

MOST_LINES = 10_000
MOST_BYTES = 8 * 1024 * 1024
"""What the document may hold: it is made in memory."""

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Wanted:
    """What was asked for; `since` is RFC 3339."""

    tail: int | None
    since: str | None
    previous: bool
    follow: bool
    timestamps: bool


def logs(session: Session, name: str, wanted: Wanted) -> Report:
    """From the cluster. Raises WorkloadUnknown, LogMissing where there is none, and what the cluster raises."""
    with context_of(session) as ctx:
        return told(session, ctx, name, wanted)


def told(session: Session, ctx: Context, name: str, wanted: Wanted) -> Report:
    """The same, of a node that is open already."""
    if session.document and not wanted.follow:
        return _document(ctx, name, wanted)
    return streamed(session, "workloads logs", lambda: _write(session, ctx, name, wanted))


def _lines(ctx: Context, name: str, wanted: Wanted, stop: Callable[[], bool], *, tail: int | None) -> Iterator[LogLine]:
    """Every line; raises LogMissing at the end when there was none and nothing explains it: what runs may have nothing to say."""
    ctx.ledger.workload(name)
    count = 0
    for one in ctx.cluster.logs(name, tail=tail, since=wanted.since, previous=wanted.previous, follow=wanted.follow, stop=stop):
        count += 1
        yield one
        if stop():
            return
    if not count and wanted.since is None and tail != 0 and not stop() and (wanted.previous or not _runs(ctx, name)):
        which = " of an earlier run" if wanted.previous else ""
        raise LogMissing(f"{name} has no log{which}", hint=command("workloads show", "--live", names=(name,)))


def _runs(ctx: Context, name: str) -> bool:
    seen = ctx.cluster.observe().get(name)
    return seen is not None and seen.observed is Observed.RUNNING


def _write(session: Session, ctx: Context, name: str, wanted: Wanted) -> None:
    """Line by line, holding none; Ctrl-C ends it, and that is no failure when it was to go on for ever."""
    draws = terminal.is_terminal(sys.stdout)
    names = _Names()
    with signals_noted(hangup=True) as stop:
        # What is quiet for hours is not written to for hours: only asking tells that the reader is gone.
        over = (lambda: stop() or reader_gone()) if wanted.follow else stop
        for one in _lines(ctx, name, wanted, over, tail=wanted.tail):
            if session.output is Output.JSON:
                line({"pod": one.source, "container": one.container, "time": one.time, "line": one.text})
                continue
            text = _shown(one.text) if draws else one.text
            stamp = f"{one.time} " if wanted.timestamps else ""
            write(f"{names.before(one)}{stamp}{text}\n")
        if stop() and not wanted.follow:
            raise Interrupted("stopped by a signal")


def _shown(text: str) -> str:
    """Control characters made visible; an application's own colours are left out."""
    return terminal.plain(_COLOURS.sub("", text))


class _Names:
    """Says whose line it is, when that has changed: one pod alone needs no name."""

    def __init__(self) -> None:
        self._seen: set[tuple[str, str]] = set()

    def before(self, one: LogLine) -> str:
        """A mark in front of the line, once there is more than one container."""
        self._seen.add((one.source, one.container))
        if len(self._seen) == 1:
            return ""
        pods = {source for source, _ in self._seen}
        return f"[{one.source}] " if len(pods) == len(self._seen) else f"[{one.source}/{one.container}] "


def _document(ctx: Context, name: str, wanted: Wanted) -> Report:
    """The platform's. Of what would be too much, the newest stays, and a warning says so."""
    with signals_noted(hangup=True) as stop:
        kept, cut = newest(_lines(ctx, name, wanted, stop, tail=MOST_LINES if wanted.tail is None else wanted.tail))
        if stop():
            raise Interrupted("stopped by a signal")
    logs: dict[str, list[str]] = {}
    for one in kept:
        logs.setdefault(one.source, []).append(f"{one.time} {one.text}")
    warnings = (f"only the newest {MOST_BYTES // 1024 // 1024} MiB are shown",) if cut else ()
    return Report("workloads logs", document={"logs": logs}, warnings=warnings)


def newest(lines: Iterable[LogLine], most: int = MOST_BYTES) -> tuple[list[LogLine], bool]:
    """The last lines that fit, ordered by time within each pod, and whether others did not fit. Pure."""
    kept: deque[LogLine] = deque()
    size, cut = 0, False
    for one in lines:
        kept.append(one)
        size += len(one.text) + len(one.time)
        while size > most:
            gone = kept.popleft()
            size -= len(gone.text) + len(gone.time)
            cut = True
    return sorted(kept, key=lambda one: (one.source, one.time)), cut
