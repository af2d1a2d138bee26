"""Command lines that are written exactly as declared, run without typer.

What is not (an unknown word, a value of the wrong type, a help) is left to typer, which finds the words for it. A test compares both.
"""

from __future__ import annotations

import os
import re
import types
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_origin

from kelvin_provision.cli.frame.arguments import Either
from kelvin_provision.cli.frame.command_table import ENTRIES, SHARED_OPTIONS, Command, Entries
from kelvin_provision.cli.frame.declared import REQUIRED, Argument, Option, Parameter, parameters
from kelvin_provision.cli.frame.invocation import KINDS, argument_name


class NotPlain(Exception):
    """This command line is for typer."""


class Flag(NamedTuple):
    """What an option sets. `value` for one that takes none."""

    name: str
    convert: Callable[[str], Any] | None = None
    several: bool = False
    value: bool = True


class Line(NamedTuple):
    """A command and the values for it."""

    function: Callable[..., Any]
    name: str
    values: dict[str, Any]


def parsed(words: Sequence[str]) -> Line | None:
    """None: typer is to read it."""
    try:
        return _parsed(list(words))
    except NotPlain:
        return None


def _parsed(words: list[str]) -> Line:
    values: dict[str, Any] = {}
    shared = dict(_shared())
    entries: Entries = ENTRIES
    path: list[str] = []
    while words:
        if words[0].startswith("-"):
            _take(words, shared, values)
            continue
        word = words.pop(0)
        entry = entries.get(word)
        path.append(word)
        if entry is None:
            raise NotPlain
        if isinstance(entry, Command):
            function = import_module(entry.module).command
            return Line(function, " ".join(path), _rest(words, list(parameters(function)), shared, values))
        entries = entry.commands
    raise NotPlain


def _rest(words: list[str], declared: list[Parameter], shared: dict[str, Flag], values: dict[str, Any]) -> dict[str, Any]:
    own = dict(_own(declared))
    arguments: list[str] = []
    while words:
        if words[0].startswith("-") and words[0] != "-":
            _take(words, shared | own, values)
        else:
            arguments.append(words.pop(0))
    _place(arguments, declared, values)
    if any(parameter.default is REQUIRED and parameter.name not in values for parameter in declared if not _is_either(parameter)):
        raise NotPlain
    return values


def _place(arguments: list[str], declared: list[Parameter], values: dict[str, Any]) -> None:
    """An `Either` takes all arguments, and so does a list; else each parameter one, in order."""
    for parameter in declared:
        if _is_either(parameter) and arguments:
            convert = _converter(parameter.mark.kind, parameter.mark.argument.more)
            given = [convert(word) for word in arguments]
            if parameter.mark.single and len(given) > 1:
                raise NotPlain
            values[argument_name(parameter.name)] = given[0] if parameter.mark.single else given
            return
        if isinstance(parameter.mark, Argument) and arguments:
            kind, several = _kind(parameter.kind)
            convert = _converter(kind, parameter.mark.more)
            values[parameter.name] = [*map(convert, arguments)] if several else convert(arguments[0])
            arguments = [] if several else arguments[1:]
    if arguments:
        raise NotPlain


def _take(words: list[str], flags: dict[str, Flag], values: dict[str, Any]) -> None:
    """The first word, and the next if that is its value."""
    word = words.pop(0)
    name, given, value = word.partition("=") if word.startswith("--") else (word, "", "")
    flag = flags.get(name)
    if flag is None:
        raise NotPlain
    if flag.convert is None:
        if given or values.get(flag.name, flag.value) is not flag.value:
            raise NotPlain
        values[flag.name] = flag.value
        return
    if not given:
        if not words or words[0].startswith("-"):
            raise NotPlain
        value = words.pop(0)
    if flag.several:
        values.setdefault(flag.name, []).append(flag.convert(value))
    elif flag.name in values:
        raise NotPlain
    else:
        values[flag.name] = flag.convert(value)


def _shared() -> Iterator[tuple[str, Flag]]:
    for name, option in SHARED_OPTIONS.items():
        flag = Flag(name, _converter(KINDS[name], {"readable": False}), several=True) if option.metavar else Flag(name)
        yield from ((word, flag) for word in option.names)


def _own(declared: Sequence[Parameter]) -> Iterator[tuple[str, Flag]]:
    for name, annotation, mark, _ in declared:
        if isinstance(mark, Either):
            yield from ((word, Flag(name, _converter(mark.kind, mark.option.more), several=True)) for word in mark.flags)
        elif isinstance(mark, Option):
            kind, several = _kind(annotation)
            if kind is bool:
                yield from _switches(name, mark.flags)
            else:
                yield from ((word, Flag(name, _converter(kind, mark.more), several)) for word in mark.flags)
        elif not isinstance(mark, Argument):
            raise NotPlain


def _switches(name: str, words: Sequence[str]) -> Iterator[tuple[str, Flag]]:
    """`--on`, and `--on/--off`."""
    for word in words:
        on, _, off = word.partition("/")
        yield on, Flag(name)
        if off:
            yield off, Flag(name, value=False)


def _is_either(parameter: Parameter) -> bool:
    return isinstance(parameter.mark, Either)


def _kind(annotation: Any) -> tuple[Any, bool]:
    """Of `X`, `X | None`, `list[X]` and `list[X] | None`: X, and whether it is a list."""
    if get_origin(annotation) is types.UnionType:
        annotation = next(kind for kind in get_args(annotation) if kind is not types.NoneType)
    return (get_args(annotation)[0], True) if get_origin(annotation) is list else (annotation, False)


def _converter(kind: Any, more: dict[str, Any]) -> Callable[[str], Any]:
    """Raises NotPlain for what is no such value, and for types that only typer knows."""

    def convert(text: str) -> Any:
        try:
            return _converted(kind, text, more)
        except NotPlain:
            raise
        except Exception as error:  # the parser of an option has an error of its own, for typer
            raise NotPlain from error

    return convert


def _converted(kind: Any, text: str, more: dict[str, Any]) -> Any:
    if "parser" in more:
        return more["parser"](text)
    if kind is str:
        return text
    if kind is int and re.fullmatch(r"\d{1,9}", text, re.ASCII) and more.get("min", 0) <= int(text) <= more.get("max", 10**9):
        return int(text)
    if kind is Path:
        if more.get("readable", True) and os.path.exists(text) and not os.access(text, os.R_OK):  # noqa: PTH110  (typer's own question)
            raise NotPlain
        return Path(text)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(text)
    raise NotPlain
