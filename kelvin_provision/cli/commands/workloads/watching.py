"""`workloads list --watch`: repainted in place on a terminal, a line for each change elsewhere."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from kelvin_provision.cli.frame import terminal
from kelvin_provision.cli.frame.box import context_of, signals_noted
from kelvin_provision.cli.frame.session import Output, Session
from kelvin_provision.cli.frame.streaming import line, reader_gone, streamed, write
from kelvin_provision.cli.render import layout, overview, tables
from kelvin_provision.cli.render.report import Report
from kelvin_provision.errors import CannotWrite
from kelvin_provision.naming import grouped
from kelvin_provision.queries.changes import watch as watch_list
from kelvin_provision.queries.overview import OverviewRequest

if TYPE_CHECKING:
    from kelvin_provision.context import Context
    from kelvin_provision.queries.listing import Query
    from kelvin_provision.queries.overview import Overview

# The alternate screen preserves the user's own; no cursor, and wide lines are cut, not wrapped (xterm's ctlseqs).
_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l\x1b[?7l", "\x1b[?7h\x1b[?25h\x1b[?1049l"
_HOME, _REST_OF_LINE, _REST_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"


def watch(session: Session, query: Query) -> Report:
    """Run until SIGINT, SIGTERM or SIGHUP, or until the reader is gone. All of these are a regular end: exit code 0."""
    return streamed(session, "workloads list", lambda: _watch(session, query))


def _watch(session: Session, query: Query) -> None:
    request = OverviewRequest(query, images=session.output is Output.WIDE)
    with signals_noted(hangup=True) as signalled, context_of(session) as box:
        # Nothing may be written for hours, so only a poll notices that the reader is gone.
        ctx = replace(box, stop=lambda: signalled() or reader_gone())
        if session.output is not Output.JSON and terminal.can_draw(sys.stdout):
            _paint(session, ctx, request)
        else:
            _print_changes(session, ctx, request)


# --- on a terminal ---------------------------------------------------------------------------------


def _paint(session: Session, ctx: Context, request: OverviewRequest) -> None:
    """Written in one piece and only when it differs, so that nothing flickers. The last frame stays on the screen afterwards."""
    shown, picture = "", ""
    with _other_screen():
        for watched in watch_list(ctx, request):
            size = shutil.get_terminal_size()
            picture = _picture(session, watched.overview)
            frame = _frame(picture, size.lines)
            if f"{size}{frame}" != shown:
                shown = f"{size}{frame}"
                write(frame)
    write(picture)


@contextmanager
def _other_screen() -> Iterator[None]:
    write(_ENTER)
    try:
        yield
    finally:
        with suppress(BrokenPipeError, CannotWrite):
            write(_LEAVE)


def _picture(session: Session, seen: Overview) -> str:
    """The table, the warnings and the footer."""
    table = overview.table(seen)
    style = tables.Style.of(sys.stdout, session)
    # One column stays free: erasing the rest of a full line would delete its last character.
    style = replace(style, width=style.width - 1 if style.width else None)
    warnings = overview.warnings(seen) if session.whole else grouped(overview.warnings(seen))
    texts = [layout.wrapped(terminal.shown(text, session), style.width, begin=len("warning: ")) for text in warnings]
    notes = [f"{_warning(session)} {text}" for text in texts]
    last = table.footer if table.rows else table.empty
    return tables.render(table, style) + "".join(f"{text}\n" for text in (*([] if session.quiet else notes), last))


def _warning(session: Session) -> str:
    return terminal.painted("warning:", terminal.Colour.YELLOW, on=terminal.is_coloured(sys.stdout, session))


def _frame(picture: str, height: int) -> str:
    """Overwrites the frame before, line by line; lines that do not fit are counted."""
    lines = picture.splitlines()
    room = height - 1
    if len(lines) > room:
        lines = [*lines[: max(room - 1, 1)], f"... {len(lines) - max(room - 1, 1)} more lines; enlarge the window, or use --search"]
    return _HOME + "".join(f"{text}{_REST_OF_LINE}\n" for text in lines) + _REST_OF_SCREEN


# --- elsewhere -------------------------------------------------------------------------------------


def _print_changes(session: Session, ctx: Context, request: OverviewRequest) -> None:
    """The present state first, then changes."""
    for watched in watch_list(ctx, request):
        for change in watched.changes:
            if session.output is Output.JSON:
                line(change.to_json())
            else:
                steps = [step for step in (change.before, change.after or "gone") if step]
                write(terminal.plain(f"{change.time} {change.name}: {' -> '.join(steps)}") + "\n")
