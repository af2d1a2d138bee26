"""The parameters of commands, declared without typer: importing it takes a third of the time of a short command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, get_type_hints

REQUIRED = object()


class Option:
    """As `typer.Option(*flags, **more)`, which it becomes when typer is needed."""

    def __init__(self, *flags: str, **more: Any) -> None:
        self.flags = flags
        self.more = more

    def typed(self) -> Any:
        import typer

        return typer.Option(*self.flags, **self.more)


class Argument:
    """As `typer.Argument(**more)`."""

    def __init__(self, **more: Any) -> None:
        self.more = more

    def typed(self) -> Any:
        import typer

        return typer.Argument(**self.more)


class Parameter(NamedTuple):
    """One parameter of a command: the type of its value, how it is given, and its default or REQUIRED."""

    name: str
    kind: Any
    mark: Any
    default: Any


def parameters(command: Callable[..., Any]) -> Iterator[Parameter]:
    """All but the session. `inspect` would take longer to import than this to run."""
    code = command.__code__
    positional = code.co_varnames[: code.co_argcount]
    named = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    defaults = dict(zip(reversed(positional), reversed(command.__defaults__ or ()), strict=False)) | (command.__kwdefaults__ or {})
    hints = get_type_hints(command, include_extras=True)
    for name in (*positional, *named)[1:]:
        hint = hints[name]
        marks = getattr(hint, "__metadata__", ())
        yield Parameter(name, hint.__origin__ if marks else hint, marks[0] if marks else None, defaults.get(name, REQUIRED))
