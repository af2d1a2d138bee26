"""Confirmation before something is removed or interrupted. Without a terminal it is refused."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from kelvin_provision.cli.frame import terminal
from kelvin_provision.cli.frame.edge import Cancelled
from kelvin_provision.cli.render import layout
from kelvin_provision.errors import ConfirmationNeeded, UsageRefused


def confirm(question: str, *, yes: bool, goes: Sequence[str] = ()) -> None:
    """Return when the user answers yes. `question` names what is removed; `goes` lists it when it is more than one thing.

    Raises Cancelled, or ConfirmationNeeded without a terminal. The question is printed on stderr, also with --quiet and --json.
    """
    if yes:
        return
    if not terminal.is_terminal(sys.stdin) or not terminal.is_terminal(sys.stderr):
        raise ConfirmationNeeded(question, evidence=goes)
    width = layout.width_of(sys.stderr)
    lines = [layout.wrapped(terminal.plain(f"  {thing}"), width) for thing in goes]
    terminal.write(sys.stderr, "".join(f"{line}\n" for line in (*lines, terminal.plain(question))))
    terminal.write(sys.stderr, "Continue? [y/N] ")
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):
        # Ctrl-D leaves the cursor on the line of the question.
        terminal.write(sys.stderr, "\n")
    if answer.strip().lower() not in {"y", "yes"}:
        raise Cancelled("nothing was changed")


def secret(prompt: str) -> str:
    """What is typed without an echo. Raises Cancelled at the end of input (Ctrl-D), UsageRefused for what is no text."""
    from getpass import getpass

    try:
        return getpass(prompt)
    except EOFError:
        terminal.write(sys.stderr, "\n")
        raise Cancelled("nothing was changed") from None
    except UnicodeDecodeError:
        raise UsageRefused("what was typed is not text", hint="type it again") from None  # the error has what was typed
