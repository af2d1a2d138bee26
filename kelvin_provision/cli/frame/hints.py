"""Hints and errors as the command line shows them: the one place where a hint becomes a line of a shell."""

from __future__ import annotations

import shlex

from kelvin_provision.cli.frame.command_table import PROGRAM
from kelvin_provision.errors import ProvisionError
from kelvin_provision.hints import Hint

# What a person replaces is not quoted: `-n NAME`, `-f FILE ...`, `HOST[:PORT]`.
_PLACEHOLDER = frozenset({"...", "HOST[:PORT][/PATH]", "'YYYY-MM-DD HH:MM:SS'", ">"})


def line(hint: Hint | str) -> str:
    """The hint as a line to paste, with its instruction before and its note after; empty for no hint."""
    hint = Hint.of(hint)
    if not hint.action:
        return hint.instruction
    names = [word for name in hint.names for word in ("-n", name)]
    words = [*hint.action.split(), *names, *hint.arguments]
    text = " ".join(word if word in _PLACEHOLDER else shlex.quote(word) for word in words)
    program = "" if hint.system else f"{'sudo ' if hint.sudo else ''}{PROGRAM} "
    before = f"{hint.instruction}: " if hint.instruction else ""
    after = f"{', ' if hint.note.startswith('or ') else '; '}{hint.note}" if hint.note else ""
    return f"{before}{program}{text}{after}"


def described(error: ProvisionError) -> dict[str, object]:
    """An error in JSON, without its envelope."""
    return {"code": error.code, "message": str(error), "hint": line(error.hint), "evidence": list(error.evidence)}
