"""The help of the program and of its groups, from the table of commands, without the parser: importing it takes two thirds of the time.

It is what the parser would print; a test compares every page at every width. What is not exactly a page of help is left to the parser.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from kelvin_provision.cli.frame.command_table import COMMON, ENTRIES, PROGRAM, SHARED_OPTIONS, SUMMARY, Entries, Group
from kelvin_provision.cli.frame.terminal import columns, is_narrow, name_column

_USAGE = "[OPTIONS] COMMAND [ARGS]..."
_ROOM = 20
"""Columns that the usage needs beside the name."""
_OPTIONS = (("--version", "Print the version and exit."),)
_HELP = ("-h, --help", "Show this message and exit.")

Rows = Sequence[tuple[str, str]]


def page(words: Sequence[str]) -> tuple[str, bool] | None:
    """The page that these words ask for, and whether it was asked for: without `--help`, a command is missing. None for other words."""
    width = columns()
    asked = words[-1:] in (["-h"], ["--help"])
    path = words[:-1] if asked else words
    entry = ENTRIES.get(path[0]) if path else None
    if is_narrow(width) or len(path) > 1 or (path and not isinstance(entry, Group)):
        return None
    width = max(min(width, 80) - 2, 50)
    if isinstance(entry, Group):
        lines = _lines(f"{PROGRAM} {path[0]}", entry.help, _helps(entry.commands), (), width)
    else:
        lines = _lines(PROGRAM, SUMMARY, _helps(ENTRIES), _OPTIONS, width)
    return "".join(f"{line}\n" for line in lines), asked


def _helps(entries: Entries) -> Rows:
    return [(name, entry.help) for name, entry in entries.items()]


def _lines(name: str, summary: str, commands: Rows, options: Rows, width: int) -> Iterator[str]:
    yield from _usage(f"Usage: {name} ", width)
    yield ""
    yield from textwrap.wrap(summary, width, initial_indent="  ", subsequent_indent="  ")
    shared = [(" ".join((", ".join(option.names), option.metavar)).rstrip(), option.help) for option in SHARED_OPTIONS.values()]
    for title, rows in (("Commands", commands), ("Options", options), (COMMON, [*shared, _HELP])):
        if rows:
            yield from ("", f"{title}:")
            yield from _table(rows, width)


def _usage(begin: str, width: int) -> Iterator[str]:
    if width >= len(begin) + _ROOM:
        yield from textwrap.wrap(_USAGE, width, initial_indent=begin, subsequent_indent=" " * len(begin))
    else:
        yield begin
        yield f"{'':{len('Usage: ') + 4}}{_USAGE}"


def _table(rows: Rows, width: int) -> Iterator[str]:
    """Names on the left, as far as they are not too long, and their texts beside them."""
    column = min(max(len(name) for name, _ in rows), name_column(width)) + 2
    for name, text in rows:
        first, *others = textwrap.wrap(text, max(width - column - 2, 10))
        if len(name) <= column - 2:
            yield f"  {name:<{column}}{first}"
        else:
            yield from (f"  {name}", f"{'':{column + 2}}{first}")
        yield from (f"{'':{column + 2}}{line}" for line in others)
