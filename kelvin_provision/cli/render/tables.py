"""Tables for people. Importing rich would take longer than all of `workloads list`."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Self, TextIO

from kelvin_provision.cli.frame import terminal
from kelvin_provision.cli.frame.session import Output, Session
from kelvin_provision.cli.frame.terminal import Colour
from kelvin_provision.cli.render import layout
from kelvin_provision.cli.render.report import Table
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.queries.items import NOT_RUNNING
from kelvin_provision.spec.enums import State
from kelvin_provision.status import Trouble

if TYPE_CHECKING:
    from datetime import datetime

GAP = "  "
_NARROWEST = 8
_NARROWEST_PROSE = 24
"""Columns from which prose is wrapped beside the rest of its row."""
_STATE_COLUMNS = {"state", "status", "staged"}
_LOOKS = {
    State.RUNNING: (Colour.GREEN, "●"),
    State.FAILED: (Colour.RED, "✗"),
    State.UNREACHABLE: (Colour.RED, "✗"),
    State.READY: (Colour.CYAN, "◐"),
    State.STAGED: (Colour.CYAN, "◐"),
    State.STOPPED: (None, "○"),
}
_PERCENT = r"\d+%$"
_IN_MOTION = (Colour.YELLOW, "◐")
_BY_WORDS = {word: state for state in State for word in (state.value, state.message.lower())}
_BY_WORDS |= dict.fromkeys(Trouble, State.FAILED) | {NOT_RUNNING: State.STOPPED, Trouble.ROLLED_BACK: State.READY}


@dataclass(frozen=True)
class Style:
    """The style of tables on a stream. `whole`: digests in full. `width` is None where nothing may be shortened: in a pipe or a file."""

    wide: bool = False
    whole: bool = False
    colour: bool = False
    icons: bool = False
    width: int | None = None

    @classmethod
    def of(cls, stream: TextIO, session: Session) -> Self:
        """The style for this stream and session."""
        draws = terminal.can_draw(stream)
        return cls(
            wide=session.output is Output.WIDE,
            whole=session.whole,
            colour=terminal.is_coloured(stream, session),
            icons=draws and terminal.is_utf8(stream),
            width=shutil.get_terminal_size().columns if draws else None,
        )


def render(table: Table, style: Style) -> str:
    """The table as lines, with a header; empty without rows. One that does not fit has a block of lines for each row instead."""
    if not table.rows:
        return ""
    shown = [at for at, column in enumerate(table.columns) if style.wide or column not in table.wide]
    given_up: list[int] = []
    while True:
        columns = [table.columns[at] for at in shown]
        rows = [[_cell(row[at], table.columns[at], style) for at in shown] for row in table.rows]
        widths = [max(terminal.cells(text) for text in (name, *(row[at] for row in rows))) for at, name in enumerate(columns)]
        if style.width is None or _squeeze(widths, columns, table, style.width):
            break
        if style.wide or len(given_up) == len(table.gives):
            return "".join(f"{line}\n" for number in range(len(rows)) for line in _block(table, number, shown, given_up, style))
        given_up.append(table.columns.index(table.gives[len(given_up)]))
        shown = [at for at in shown if at not in given_up]
    head = GAP.join(_fitted(name.upper(), width, style) for name, width in zip(columns, widths, strict=True)).rstrip()
    lines = [terminal.painted(head, Colour.BOLD, on=style.colour)]
    for number, row in enumerate(rows):
        lines += _lines(row, columns, widths, style) if table.wraps else [_line(row, columns, widths, style)]
        folded = [(table.columns[at], _cell(table.rows[number][at], table.columns[at], style)) for at in sorted(given_up)]
        lines += [_below(f"{name}: {text}", style) for name, text in folded if name in table.folds and text != "-"]
        lines += [_below(_plain(text, style), style) for text in table.below.get(number, ())]
    return "".join(f"{line}\n" for line in lines)


def _block(table: Table, number: int, shown: Sequence[int], given_up: Sequence[int], style: Style) -> Iterator[str]:
    """A row that is too wide: its name, and below it what it would have beside it, as long as that is not empty."""
    row = table.rows[number]
    heading = table.columns.index(table.heading) if table.heading else shown[0]
    rest = [at for at in sorted((*shown, *(at for at in given_up if table.columns[at] in table.folds))) if at != heading]
    yield terminal.painted(_cell(row[heading], table.columns[heading], style), Colour.BOLD, on=style.colour)
    cells = [(table.columns[at], _cell(row[at], table.columns[at], style)) for at in rest]
    yield from (_below(line, style) for line in _packed([f"{name}: {cell}" for name, cell in cells if cell != "-"], style.width))
    yield from (_below(_plain(text, style), style) for text in table.below.get(number, ()))


def _packed(texts: Sequence[str], width: int | None) -> list[str]:
    """As many beside each other as fit."""
    lines: list[str] = []
    for text in texts:
        if lines and width is not None and terminal.cells(f"{lines[-1]}{GAP}{text}") <= width - len(GAP):
            lines[-1] += f"{GAP}{text}"
        else:
            lines.append(text)
    return lines


def _below(text: str, style: Style) -> str:
    return layout.wrapped(f"{GAP}{text}", style.width)


def _squeeze(widths: list[int], columns: Sequence[str], table: Table, width: int) -> bool:
    """Shorten columns of prose (a title, a warning), never names, which are copied. The last column is wrapped where it has room.

    Returns whether the table fits.
    """
    room = width - len(GAP) * (len(widths) - 1)
    for at in [columns.index(name) for name in table.gives if name in columns and name not in table.folds]:
        widths[at] = min(widths[at], max(widths[at] + room - sum(widths), _NARROWEST))
    if table.wraps and (left := room - sum(widths[:-1])) >= _NARROWEST_PROSE:
        widths[-1] = min(widths[-1], left)
    return sum(widths) <= room


def ago(timestamp: str, now: datetime) -> str:
    """The age of an RFC 3339 time, in the platform's words; `-` for none. A future time counts as now: clocks differ."""
    if not timestamp:
        return "-"
    from kelvin_provision import timestamps

    then = timestamps.parse(timestamp)
    seconds = (now - then).total_seconds()
    for unit, length, limit in (("m", 60, 3600), ("h", 3600, 86400), ("d", 86400, 7 * 86400)):
        if seconds < length and unit == "m":
            return "Just now"
        if seconds < limit:
            return f"{int(seconds // length)}{unit} ago"
    return timestamps.of_clock(then)


def _cell(text: str, column: str, style: Style) -> str:
    whole = _plain(" ".join(text.splitlines()), style) or "-"
    look = _look(whole, column)
    return f"{look[1]} {whole}" if look and style.icons else whole


def _plain(text: str, style: Style) -> str:
    return terminal.plain(text) if style.whole else terminal.with_short_digests(terminal.plain(text))


def _look(text: str, column: str) -> tuple[Colour | None, str] | None:
    if column.lower() not in _STATE_COLUMNS:
        return None
    # In STAGED the state stands between version and time: `2.0.0 ready, 02:00`, or there is a progress: `2.0.0 45%`.
    words = text.lower().partition(", ")[0]
    state = State.DOWNLOADING if re.search(_PERCENT, words) else _BY_WORDS.get(words) or _BY_WORDS.get(words.partition(" ")[2])
    return _LOOKS.get(state, _IN_MOTION) if state else None


def _lines(row: Sequence[str], columns: Sequence[str], widths: Sequence[int], style: Style) -> list[str]:
    """With the last column wrapped."""
    last = layout.wrapped(row[-1], widths[-1]).split("\n")
    indent = " " * (sum(widths[:-1]) + len(GAP) * (len(widths) - 1))
    return [_line([*row[:-1], last[0]], columns, widths, style), *(f"{indent}{text.strip()}" for text in last[1:])]


def _line(row: Sequence[str], columns: Sequence[str], widths: Sequence[int], style: Style) -> str:
    cells = []
    for text, column, width in zip(row, columns, widths, strict=True):
        look = _look(text[2:] if style.icons and text[1:2] == " " else text, column)
        fitted = _fitted(text, width, style)
        colour = look[0] if look else None
        cells.append(terminal.painted(fitted, colour, on=style.colour) if colour else fitted)
    return GAP.join(cells).rstrip()


def _fitted(text: str, width: int, style: Style) -> str:
    """Padded, or shortened with a mark."""
    if terminal.cells(text) > width:
        mark = "…" if style.icons else "..."
        while text and terminal.cells(text) > width - len(mark):
            text = text[:-1]
        text = text.rstrip() + mark
    return text + " " * (width - terminal.cells(text))
