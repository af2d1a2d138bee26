"""Confirmation before something is removed or interrupted. Without a terminal there is no question, and nothing is done."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from kelvin_provision.cli.frame import terminal
from kelvin_provision.errors import ConfirmationNeeded


class Cancelled(Exception):
    """The answer was no. Not an error: the edge says `Cancelled.` and exits 0."""


def confirm(question: str, *, yes: bool, goes: Sequence[str] = ()) -> None:
    """Return when the answer is yes. `question` names what is removed; `goes` lists it when it is more than one thing.

    Raises Cancelled, or ConfirmationNeeded where there is no terminal to ask on. The question is asked on stderr, also with
    --quiet and --json: without it nothing can go on.
    """
    if yes:
        return
    if not terminal.is_terminal(sys.stdin) or not terminal.is_terminal(sys.stderr):
        raise ConfirmationNeeded(question, evidence=goes)
    terminal.write(sys.stderr, "".join(f"{terminal.plain(line)}\n" for line in (*(f"  {thing}" for thing in goes), question)))
    terminal.write(sys.stderr, "Continue? [y/N] ")
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):
        # Ctrl-D leaves the cursor behind the question.
        terminal.write(sys.stderr, "\n")
    if answer.strip().lower() not in {"y", "yes"}:
        raise Cancelled("nothing was changed")
