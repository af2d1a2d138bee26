"""`workloads list --watch`: repainted in place on a terminal, a line for each change elsewhere. Reads ledger and file sizes only."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

from kelvin_provision import timestamps
from kelvin_provision.cli.frame import terminal
from kelvin_provision.cli.frame.box import context_of, signals_noted
from kelvin_provision.cli.frame.session import Output, Session
from kelvin_provision.cli.frame.streaming import line, rest, streamed, write
from kelvin_provision.cli.render import overview, tables
from kelvin_provision.cli.render.overview import Overview
from kelvin_provision.cli.render.report import Report
from kelvin_provision.context import Context
from kelvin_provision.errors import CannotWrite
from kelvin_provision.queries.listing import Query, select

TICK = 0.5
# The other screen, so that what stood there before comes back; no cursor, and what is too wide is cut, not wrapped (xterm's ctlseqs).
_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l\x1b[?7l", "\x1b[?7h\x1b[?25h\x1b[?1049l"
_HOME, _REST_OF_LINE, _REST_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"

Item = Mapping[str, Any]


def watch(session: Session, query: Query) -> Report:
    """Until SIGINT, SIGTERM or SIGHUP, or until the reader is gone; 0 then: there is no other end, and nothing is left undone."""
    return streamed(session, "workloads list", lambda: _watch(session, query))


def _watch(session: Session, query: Query) -> None:
    with signals_noted(hangup=True) as stop, context_of(session) as ctx:
        if session.output is not Output.JSON and terminal.can_draw(sys.stdout):
            _paint(session, query, ctx, stop)
        else:
            _tell(session, query, ctx, stop)


@dataclass
class _Eyes:
    """Reads the ledger when somebody has written to it, and sizes while something is on its way."""

    ctx: Context
    query: Query
    wide: bool = False
    version: tuple[int, int] | None = None
    last: Overview | None = None

    def look(self) -> Overview:
        """What there is now."""
        version = self.ctx.ledger.version()
        if self.last is None or self.last.percents or version != self.version:
            self.version = version
            self.last = overview.look(self.ctx, staged=self.query.staged, wide=self.wide)
        return self.last


# --- on a terminal ---------------------------------------------------------------------------------


def _paint(session: Session, query: Query, ctx: Context, stop: Callable[[], bool]) -> None:
    """Written as a whole and only when it differs: nothing flickers. The last picture stays on the screen afterwards."""
    eyes, shown, picture = _Eyes(ctx, query, session.output is Output.WIDE), "", ""
    with _other_screen():
        while True:
            size = shutil.get_terminal_size()
            picture = _picture(session, query, eyes.look())
            frame = _frame(picture, size.lines)
            if f"{size}{frame}" != shown:
                shown = f"{size}{frame}"
                write(frame)
            if not rest(TICK, stop):
                break
    write(picture)


@contextmanager
def _other_screen() -> Iterator[None]:
    write(_ENTER)
    try:
        yield
    finally:
        with suppress(BrokenPipeError, CannotWrite):
            write(_LEAVE)


def _picture(session: Session, query: Query, seen: Overview) -> str:
    """The table, what is to be warned of, and the footer."""
    chosen = select(seen.items, query)
    table = seen.table(chosen)
    style = tables.Style.of(sys.stdout, session)
    # One column stays free: behind a full line, erasing its rest would take the last sign.
    style = replace(style, width=style.width - 1 if style.width else None)
    notes = [f"{_warning(session)} {terminal.plain(text)}" for text in seen.warnings(chosen)]
    last = table.footer if chosen else table.empty
    return tables.render(table, style) + "".join(f"{text}\n" for text in (*([] if session.quiet else notes), last))


def _warning(session: Session) -> str:
    return terminal.painted("warning:", terminal.Colour.YELLOW, on=terminal.is_coloured(sys.stdout, session))


def _frame(picture: str, height: int) -> str:
    """Over what stood there, line by line; what has no room is counted."""
    lines = picture.splitlines()
    room = height - 1
    if len(lines) > room:
        lines = [*lines[: max(room - 1, 1)], f"... {len(lines) - max(room - 1, 1)} more lines: a larger window, or --search"]
    return _HOME + "".join(f"{text}{_REST_OF_LINE}\n" for text in lines) + _REST_OF_SCREEN


# --- elsewhere -------------------------------------------------------------------------------------


def _tell(session: Session, query: Query, ctx: Context, stop: Callable[[], bool]) -> None:
    """First what there is, then what changes."""
    eyes, before = _Eyes(ctx, query), _states(Overview((), {}, unattended=False), query)
    while True:
        after = _states(eyes.look(), query)
        for change in changes(before, after):
            _say(session, change, after)
        before = after
        if not rest(TICK, stop):
            return


@dataclass(frozen=True)
class Place:
    """Where a workload is: its state in words, with the percent of a download and without, and the item of the list."""

    said: str
    state: str
    item: Item


@dataclass(frozen=True)
class Change:
    """None for a workload that was not there before, or is not there any more."""

    name: str
    before: str | None
    after: str | None


def _states(seen: Overview, query: Query) -> dict[str, Place]:
    found = {}
    for item in select(seen.items, query):
        percent = seen.percents.get(item["name"])
        said, state = (overview.words(item, far, staged=query.staged) for far in (percent, None))
        found[item["name"]] = Place(said, state, item)
    return found


def changes(before: Mapping[str, Place], after: Mapping[str, Place]) -> list[Change]:
    """Pure. A percent more is none: who wants to see it move has the terminal."""
    found = [Change(name, place.said, None) for name, place in before.items() if name not in after]
    for name, place in after.items():
        was = before.get(name)
        if was is None or was.state != place.state:
            found.append(Change(name, was.said if was else None, place.said))
    return found


def _say(session: Session, change: Change, after: Mapping[str, Place]) -> None:
    now = timestamps.rfc3339_now()
    place = after.get(change.name)
    if session.output is Output.JSON:
        item = place.item if place else None
        line({"time": now, "name": change.name, "before": change.before, "after": change.after, "item": item})
        return
    steps = [step for step in (change.before, change.after or "gone") if step]
    write(terminal.plain(f"{now} {change.name}: {' -> '.join(steps)}") + "\n")
