"""The common options, declared once, accepted before the command's name and after it."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

from kelvin_provision.cli.frame import edge
from kelvin_provision.cli.frame.arguments import Either, joined
from kelvin_provision.cli.frame.command_table import HELP, SHARED_OPTIONS
from kelvin_provision.cli.frame.session import CONFIG_VARIABLE, Output, Session, agreed, single
from kelvin_provision.cli.render.report import Report


def _option(name: str) -> Any:
    """The reader of a path checks whether it is readable: a missing permission is not a usage error."""
    option = SHARED_OPTIONS[name]
    return typer.Option(*option.names, help=option.help, metavar=option.metavar or None, readable=False)


def shared(
    *,
    output: Annotated[list[Output] | None, _option("output")] = None,
    json: Annotated[bool, _option("json")] = False,
    verbose: Annotated[bool, _option("verbose")] = False,
    quiet: Annotated[bool, _option("quiet")] = False,
    no_color: Annotated[bool, _option("no_color")] = False,
    state_dir: Annotated[list[Path] | None, _option("state_dir")] = None,
    config: Annotated[list[Path] | None, _option("config")] = None,
) -> Session:
    """The session for these options. Raises UsageRefused when they contradict each other."""
    variable = os.environ.get(CONFIG_VARIABLE)
    return Session(
        agreed(output or (), json=json),
        verbose,
        quiet,
        no_color,
        single("--state-dir", state_dir or ()),
        single("--config", config or ()) or (Path(variable) if variable else None),
    )


_SHARED = inspect.signature(shared, eval_str=True).parameters
SHARED = frozenset(_SHARED)


@cache
def parameters() -> Sequence[Any]:
    """The shared options as typer's parameters, for groups."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(context_settings=HELP)(shared)
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


def _beside(own: Sequence[inspect.Parameter]) -> Iterator[inspect.Parameter]:
    """The shared options without short names that the command uses itself."""
    taken = {name for parameter in own for name in _short(parameter)}
    for name, parameter in _SHARED.items():
        option = parameter.annotation.__metadata__[0]
        names = [flag for flag in SHARED_OPTIONS[name].names if flag not in taken]
        if len(names) < len(SHARED_OPTIONS[name].names):
            option = typer.Option(*names, help=option.help, metavar=option.metavar, readable=False)
        yield parameter.replace(annotation=Annotated[parameter.annotation.__origin__, option])


def _short(parameter: inspect.Parameter) -> Iterator[str]:
    option = (getattr(parameter.annotation, "__metadata__", None) or (None,))[0]
    # In Annotated, typer keeps the first name in place of the default.
    names = (getattr(option, "default", None), *(getattr(option, "param_decls", None) or ()))
    yield from (name for name in names if isinstance(name, str) and name.startswith("-") and not name.startswith("--"))


def with_shared(command: Callable[..., Report], name: str) -> Callable[..., int]:
    """A function for typer: the command's own parameters without the session, then the shared ones; it returns the exit code."""
    declared = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
    eithers = {parameter.name: either for parameter in declared if (either := Either.of(parameter))}
    own = [option for parameter in declared for option in Either.expanded(parameter)]
    together = [*own, *_beside(own)]

    def body(**values: object) -> int:
        session = shared(**{key: values.pop(key) for key in SHARED})  # type: ignore[arg-type]
        values.update({key: joined(either, values.pop(key), values.pop(either.argument(key)), name) for key, either in eithers.items()})
        return edge.run(session, name, lambda: command(session, **values))

    # typer reads both attributes, which the wrapper does not have by itself.
    body.__signature__ = inspect.Signature(together)  # type: ignore[attr-defined]
    body.__annotations__ = {parameter.name: parameter.annotation for parameter in together}
    return body
