"""The options that every command has, declared once and put beside each command's own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from kelvin_provision.cli.frame import edge
from kelvin_provision.cli.frame.session import Output, Session, agreed
from kelvin_provision.cli.render.report import Report


def _path(name: str, metavar: str, about: str) -> Any:
    """That it may not be read is told by who reads it: a missing permission is no misused command line."""
    return typer.Option(name, metavar=metavar, help=about, readable=False)


def shared(
    *,
    output: Annotated[Output | None, typer.Option("-o", "--output", help="How to write the answer; a table unless told.")] = None,
    json: Annotated[bool, typer.Option("--json", help="The same as --output json.")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Say more on stderr.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing on stderr but errors.")] = False,
    no_color: Annotated[bool, typer.Option("--no-color", help="No colours; so does the variable NO_COLOR.")] = False,
    state_dir: Annotated[Path | None, _path("--state-dir", "PATH", "Where the state is kept.")] = None,
    config: Annotated[Path | None, _path("--config", "FILE", "Read this settings file and no other.")] = None,
) -> Session:
    """The value that these options say together; raises UsageRefused when they contradict each other."""
    return Session(agreed(output, json=json), verbose, quiet, no_color, state_dir, config)


_SHARED = inspect.signature(shared, eval_str=True).parameters
SHARED = frozenset(_SHARED)
FLAGS = frozenset({"-o", "-v", *(f"--{name.replace('_', '-')}" for name in SHARED)})


def _beside(own: Sequence[inspect.Parameter]) -> Iterator[inspect.Parameter]:
    """The shared ones; a short name that the command uses for something else is the command's."""
    taken = {name for parameter in own for name in _short(parameter)}
    for parameter in _SHARED.values():
        option = parameter.annotation.__metadata__[0]
        if taken & {*_short(parameter)}:
            names = [name for name in _declared(option) if name not in taken]
            option = typer.Option(*names, help=option.help, metavar=option.metavar, readable=option.readable)
        yield parameter.replace(annotation=Annotated[parameter.annotation.__origin__, option])


def _short(parameter: inspect.Parameter) -> Iterator[str]:
    option = (getattr(parameter.annotation, "__metadata__", None) or (None,))[0]
    yield from (name for name in _declared(option) if not name.startswith("--"))


def _declared(option: Any) -> list[str]:
    """Inside of Annotated, typer keeps the first name where a default would be."""
    names = (getattr(option, "default", None), *(getattr(option, "param_decls", None) or ()))
    return [name for name in names if isinstance(name, str) and name.startswith("-")]


def with_shared(command: Callable[..., Report], name: str) -> Callable[..., int]:
    """A function for typer: the command's own parameters but the session, then the shared ones; it returns the exit code."""
    signature = inspect.signature(command, eval_str=True)
    own = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in list(signature.parameters.values())[1:]]
    together = [*own, *_beside(own)]

    def body(**values: object) -> int:
        session = shared(**{key: values.pop(key) for key in SHARED})  # type: ignore[arg-type]
        return edge.run(session, name, lambda: command(session, **values))

    # typer reads both; the wrapper has neither of its own.
    body.__signature__ = inspect.Signature(together)  # type: ignore[attr-defined]
    body.__annotations__ = {parameter.name: parameter.annotation for parameter in together}
    return body
