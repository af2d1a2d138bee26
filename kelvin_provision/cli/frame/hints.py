"""Hints and errors as the command line shows them: here a hint becomes a shell command."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace

from kelvin_provision.cli.frame.command_table import PROGRAM
from kelvin_provision.errors import ProvisionError
from kelvin_provision.hints import THIS_COMMAND, Hint, shell_line

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
    return shell_line(hint, PROGRAM, _this_command(sudo=hint.sudo) if hint.action == THIS_COMMAND else ())


def copied(hint: Hint | str) -> str:
    """The command in `line`, which is copied; empty for none."""
    hint = Hint.of(hint)
    return line(replace(hint, instruction="", note="")) if hint.action else ""


def _this_command(*, sudo: bool) -> Sequence[str]:
    """Sudo drops our variable, so what it says is said by the option."""
    words, state_dir = _TYPED.get(), os.environ.get(STATE_DIR_VARIABLE)
    if sudo and words and state_dir and not any(word.partition("=")[0] == "--state-dir" for word in words):
        return ("--state-dir", state_dir, *words)
    return words or (THIS_COMMAND,)


def described(error: ProvisionError) -> dict[str, object]:
    """An error in JSON, without its envelope."""
    return {"code": error.code, "message": str(error), "hint": line(error.hint), "evidence": list(error.evidence)}
