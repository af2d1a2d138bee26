"""A password, from a terminal or from standard input; never from an argument, which every user of the box could read."""

from __future__ import annotations

import sys
from typing import Annotated

from kelvin_provision.cli.frame import terminal
from kelvin_provision.cli.frame.declared import Option
from kelvin_provision.errors import UsageRefused

Stdin = Annotated[bool, Option("--password-stdin", help="Read the password from standard input, its first line.")]


def ask(*, stdin: bool) -> str:
    """Twice at a terminal. Raises UsageRefused."""
    if stdin:
        password = sys.stdin.readline().rstrip("\r\n")
        if not password:
            raise UsageRefused("standard input has no password", hint="give it as the first line")
        return password
    if not terminal.is_terminal(sys.stdin):
        raise UsageRefused("there is no terminal to ask for the password on", hint="--password-stdin reads it from standard input")
    from kelvin_provision.cli.frame.confirm import secret

    password = secret("Password: ")
    if secret("Again: ") != password:
        raise UsageRefused("the passwords differ; nothing was changed", hint="type the same one twice")
    return password
