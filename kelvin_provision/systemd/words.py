"""Words of a unit file (systemd.service(5), "Command lines"; systemd.syntax(7)). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def command_line(words: Sequence[str]) -> str:
    """The value of ExecStart=."""
    return " ".join(argument(word) for word in words)


def variables(environment: Mapping[str, str]) -> str:
    """A line of Environment= for each."""
    return "".join(f"Environment={quoted(f'{name}={value}')}\n" for name, value in sorted(environment.items()))


def argument(word: str) -> str:
    """A word of a command, where `$` begins a variable."""
    return quoted(word).replace("$", "$$")


def quoted(word: str) -> str:
    """A word without specifiers."""
    safe = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("\n", "\\n")
    return f'"{safe}"' if any(sign.isspace() or sign in "\"'\\;" for sign in word) or not word else safe
