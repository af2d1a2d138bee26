"""The way in: words of a command line to an exit code."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kelvin_provision import __version__
from kelvin_provision.cli.frame import streams
from kelvin_provision.cli.frame.command_table import PROGRAM

if TYPE_CHECKING:
    from kelvin_provision.connections import Wiring

COMPLETE = "_KELVIN_PROVISION_COMPLETE"


def entry() -> int:
    """`main` for a process that ends with it. Python would search everything for garbage first, in a tenth of a short command's time."""
    try:
        return main()
    finally:
        gc.freeze()


def main(words: Sequence[str] | None = None, *, wiring: Wiring | None = None) -> int:
    """Run one command and return its exit code; nothing below raises to here but a second Ctrl-C.

    `wiring` replaces the parts that the command works with: registry, runtime, cluster, hooks, clock.
    """
    streams.open_closed()
    if wiring is not None:
        from kelvin_provision.cli.frame.box import wired

        with wired(wiring):
            return main(words)
    words = list(sys.argv[1:] if words is None else words)
    if words == ["--version"]:
        # Scripts ask for it often; it need not wait for typer.
        try:
            sys.stdout.write(f"{PROGRAM} {__version__}\n")
            sys.stdout.flush()
        except OSError as error:
            return _answer_lost(words, error)
        return 0
    shell = os.environ.get(COMPLETE)
    try:
        if shell:
            from kelvin_provision.cli.frame import complete

            return complete.answer(shell, words)
        return _run(words)
    except KeyboardInterrupt:
        return 130


def _run(words: list[str]) -> int:
    page = None
    if len(words) < 2 or words[-1] in {"-h", "--help"}:
        from kelvin_provision.cli.frame import group_help

        page = group_help.page(words)
    if page is not None and _is_zone_usable():
        from kelvin_provision.cli.frame.terminal import write

        text, asked = page
        try:
            write(sys.stdout if asked else sys.stderr, text)
        except OSError as error:
            return _answer_lost(words, error)
        return 0 if asked else 2
    return _parsed(words)


def _parsed(words: list[str]) -> int:
    # Imports make many objects and no garbage: searching for it among them takes 5 % of a short command's time.
    gc.set_threshold(50_000)

    from kelvin_provision.cli.frame import edge, hints
    from kelvin_provision.cli.frame.invocation import invoked
    from kelvin_provision.cli.frame.parsing import direct
    from kelvin_provision.cli.frame.session import glimpse
    from kelvin_provision.errors import ProvisionError

    with hints.remembered(words):
        try:
            _refuse_unusable_zone()
            line = direct.parsed(words)
            return invoked(*line) if line else _typed(words)
        except ProvisionError as error:
            return edge.failed(glimpse(words), error)


def _typed(words: list[str]) -> int:
    """By typer: help, and words that are not written exactly as declared."""
    import typer

    from kelvin_provision.cli.frame import terminal
    from kelvin_provision.cli.frame.parsing.lazy import root

    try:
        with root().make_context(PROGRAM, list(words), terminal_width=terminal.narrow_width()) as context:
            return int(context.command.invoke(context) or 0)
    except typer.Exit as stop:
        return stop.exit_code
    except typer.TyperException as error:
        from kelvin_provision.cli.frame import edge
        from kelvin_provision.cli.frame.session import glimpse

        return edge.misused(glimpse(words), error)
    except OSError as error:
        # Only typer's own writing of a help gets here: a command's errors end at the edge.
        return _answer_lost(words, error)


def _is_zone_usable() -> bool:
    """False for a TZ of a day or more: the C library takes it, and every local time fails with it."""
    if not os.environ.get("TZ"):
        return True
    from datetime import UTC, datetime

    try:
        datetime.now(UTC).astimezone()
    except ValueError:
        return False
    return True


def _refuse_unusable_zone() -> None:
    """Raises SettingsInvalid."""
    if not _is_zone_usable():
        from kelvin_provision.errors import SettingsInvalid
        from kelvin_provision.hints import system

        text = f"TZ={os.environ['TZ']} is not a time zone: its offset must be less than 24 hours"
        raise SettingsInvalid(text, hint=system("unset", "TZ"))


def _answer_lost(words: Sequence[str], error: OSError) -> int:
    from kelvin_provision.cli.frame import edge
    from kelvin_provision.cli.frame.session import glimpse

    return edge.answer_lost(glimpse(words), error)
