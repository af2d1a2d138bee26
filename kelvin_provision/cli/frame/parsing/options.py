"""Typer's form of the parameters of a command and of the common options, which are accepted before its name and after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from inspect import Parameter, Signature
from typing import Annotated, Any

import typer

from kelvin_provision.cli.frame import declared
from kelvin_provision.cli.frame.arguments import Either
from kelvin_provision.cli.frame.command_table import HELP, SHARED_OPTIONS
from kelvin_provision.cli.frame.declared import REQUIRED
from kelvin_provision.cli.frame.invocation import KINDS, argument_name, invoked
from kelvin_provision.cli.render.report import Report

SHARED = frozenset(SHARED_OPTIONS)


@cache
def parameters() -> Sequence[Any]:
    """The shared options as typer's parameters, for groups."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(context_settings=HELP)(_function(lambda **_: None, list(_shared(frozenset()))))
    return tuple(typer.main.get_command(app).params)


def merged(ctx: Any) -> dict[str, Any]:
    """The shared options of a command's context and of its groups; those before the command come first."""
    values: dict[str, Any] = {}
    while ctx is not None:
        for name in SHARED & ctx.params.keys():
            given = ctx.params[name]
            values[name] = (given or values.get(name, False)) if isinstance(given, bool) else (*(given or ()), *(values.get(name) or ()))
        ctx = ctx.parent
    return values


def _shared(taken: frozenset[str]) -> Iterator[Parameter]:
    """Without short names that the command uses itself. The reader of a path checks whether it is readable: that is no usage error."""
    for name, option in SHARED_OPTIONS.items():
        names = [flag for flag in option.names if flag not in taken]
        declaration = typer.Option(*names, help=option.help, metavar=option.metavar or None, readable=False)
        kind: Any = list.__class_getitem__(KINDS[name]) | None if option.metavar else bool
        yield _keyword(name, kind, declaration, None if option.metavar else False)


def _own(parameter: declared.Parameter) -> Iterator[Parameter]:
    """The parameter, or for one that is both, an option and an argument."""
    name, kind, mark, default = parameter
    if isinstance(mark, Either):
        several: Any = list.__class_getitem__(mark.kind) | None
        yield _keyword(name, several, mark.option.typed(), None)
        yield _keyword(argument_name(name), mark.kind | None if mark.single else several, mark.argument.typed(), None)
        return
    mark = mark.typed() if isinstance(mark, declared.Option | declared.Argument) else mark
    yield _keyword(name, kind, mark, Parameter.empty if default is REQUIRED else default)


def _keyword(name: str, kind: Any, declaration: Any, default: Any) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, declaration])


def _short(parameter: Parameter) -> Iterator[str]:
    option = parameter.annotation.__metadata__[0]
    # In Annotated, typer keeps the first name in place of the default.
    names = (getattr(option, "default", None), *(getattr(option, "param_decls", None) or ()))
    yield from (name for name in names if isinstance(name, str) and name.startswith("-") and not name.startswith("--"))


def with_shared(command: Callable[..., Report], name: str) -> Callable[..., int]:
    """A function for typer: the command's own parameters without the session, then the shared ones; it returns the exit code."""
    own = [option for parameter in declared.parameters(command) for option in _own(parameter)]
    taken = frozenset(flag for parameter in own for flag in _short(parameter))
    return _function(lambda **values: invoked(command, name, values), [*own, *_shared(taken)])


def _function(body: Callable[..., Any], together: Sequence[Parameter]) -> Callable[..., Any]:
    # typer reads both attributes, which the function does not have by itself.
    body.__signature__ = Signature(together)  # type: ignore[attr-defined]
    body.__annotations__ = {parameter.name: parameter.annotation for parameter in together}
    return body
