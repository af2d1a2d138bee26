"""Hints and errors as the command line shows them: here a hint becomes a shell command."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from kelvin_provision.cli.frame.command_table import PROGRAM
from kelvin_provision.errors import ProvisionError
from kelvin_provision.hints import Hint

# Placeholders are not quoted: `-n NAME`, `-f FILE ...`, `HOST[:PORT]`.
_PLACEHOLDER = frozenset({"...", "HOST[:PORT][/PATH]", "'YYYY-MM-DD HH:MM:SS'", ">"})

THIS_COMMAND = "..."
"""As the action of a hint: the very command line that this process was started with."""
STATE_DIR_VARIABLE = "KELVIN_PROVISION_STATE_DIR"
_TYPED: ContextVar[tuple[str, ...]] = ContextVar("typed", default=())


@contextmanager
def remembered(words: Sequence[str]) -> Iterator[None]:
    """In the block, hints to run the command again as root contain this command line."""
    token = _TYPED.set(tuple(words))
    try:
        yield
    finally:
        _TYPED.reset(token)


def example(hint: Hint | str) -> str:
    """The hint of an explanation: it is about any command, not the present one."""
    with remembered(()):
        return line(hint)


def line(hint: Hint | str) -> str:
    """The hint as a command to paste, with its instruction before and its note after; empty for no hint."""
    hint = Hint.of(hint)
    if not hint.action:
        return hint.instruction
    names = [word for name in hint.names for word in ("-n", name)]
    action = _this_command(sudo=hint.sudo) if hint.action == THIS_COMMAND else hint.action.split()
    words = [*action, *names, *hint.arguments]
    text = " ".join(word if word in _PLACEHOLDER else shlex.quote(word) for word in words)
    program = "" if hint.system else f"{'sudo ' if hint.sudo else ''}{PROGRAM} "
    before = f"{hint.instruction}: " if hint.instruction else ""
    after = f"{', ' if hint.note.startswith('or ') else '; '}{hint.note}" if hint.note else ""
    return f"{before}{program}{text}{after}"


def _this_command(*, sudo: bool) -> Sequence[str]:
    """Sudo drops our variable, so what it says is said by the option."""
    words, state_dir = _TYPED.get(), os.environ.get(STATE_DIR_VARIABLE)
    if sudo and words and state_dir and not any(word.partition("=")[0] == "--state-dir" for word in words):
        return ("--state-dir", state_dir, *words)
    return words or (THIS_COMMAND,)


def described(error: ProvisionError) -> dict[str, object]:
    """An error in JSON, without its envelope."""
    return {"code": error.code, "message": str(error), "hint": line(error.hint), "evidence": list(error.evidence)}
