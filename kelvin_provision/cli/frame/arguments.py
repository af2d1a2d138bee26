"""Parameters that are options and arguments alike: names of workloads, and files."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from kelvin_provision.cli.frame.complete import workload_names
from kelvin_provision.errors import UsageRefused
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.hints import Hint
from kelvin_provision.hints import command as to_type


@dataclass(frozen=True)
class Either:
    """Marks a parameter that is both an option and an argument; the command gets the values of both, each once.

    `single`: two different values are refused. `required`: no value is refused.
    """

    flags: tuple[str, ...]
    metavar: str
    noun: str
    help: str
    complete: Callable[..., Any] | None = None
    single: bool = False
    required: bool = False
    kind: type = str
    hint: Hint | None = None
    """The example in the error for a missing required value."""

    @classmethod
    def of(cls, parameter: inspect.Parameter) -> Either | None:
        """The mark of a parameter, or None."""
        marks = getattr(parameter.annotation, "__metadata__", ())
        return next((mark for mark in marks if isinstance(mark, cls)), None)

    @staticmethod
    def argument(name: str) -> str:
        """The name of the argument that belongs to the option `name`."""
        return f"{name}_arguments"

    @classmethod
    def expanded(cls, parameter: inspect.Parameter) -> tuple[inspect.Parameter, ...]:
        """The parameters for typer: an option and an argument, or the parameter itself where it has no mark."""
        either = cls.of(parameter)
        if either is None:
            return (parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY),)
        kind: Any = list.__class_getitem__(either.kind)
        usage = either.metavar if either.single else f"{either.metavar}..."
        more = "" if either.single else "; may be repeated"
        text = f"The same as {either.metavar}{more}."
        option = typer.Option(*either.flags, metavar=either.metavar, help=text, autocompletion=either.complete, allow_dash=True)
        # A required value may also be given as the option: `joined` checks that there is one.
        argument = typer.Argument(metavar=f"[{usage}]", help=either.help, autocompletion=either.complete, allow_dash=True)
        return (
            _keyword(parameter.name, kind | None, option),
            _keyword(cls.argument(parameter.name), (either.kind | None) if either.single else (kind | None), argument),
        )


def _keyword(name: str, annotation: Any, declaration: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[annotation, declaration])


def joined(either: Either, options: Any, arguments: Any, command: str) -> Any:
    """The values of both, each once; for `single` the value or None. Raises UsageRefused."""
    given = [arguments] if either.single and arguments is not None else list(arguments or ())
    values = list(dict.fromkeys([*given, *(options or ())]))
    if not values and either.required:
        raise UsageRefused(f"missing argument {either.metavar}", hint=either.hint or to_type(command, "--help"))
    if not either.single:
        return values
    if len(values) > 1:
        text = f"{command} takes one {either.noun}, not {len(values)}: {', '.join(map(str, values))}"
        raise UsageRefused(text, hint=to_type(command, "--help"))
    return values[0] if values else None


_LIST = to_type("workloads list")


def names(about: str, *, required: bool = False, single: bool = False) -> Either:
    """The names of workloads as every command takes them: `NAME...` and `-n NAME`."""
    noun = "workload"
    return Either(("-n", "--name"), "NAME", noun, about, workload_names, single=single, required=required, hint=_LIST)


Names = Annotated[list[str], names("The workloads.", required=True)]
OptionalNames = Annotated[list[str], names("The workloads.")]
Name = Annotated[str, names("The workload.", required=True, single=True)]
Files = Annotated[list[Path], Either(("-f", "--file"), "FILE", "file", "Requests in YAML or JSON; - for standard input.", kind=Path)]

All = Annotated[bool, typer.Option("--all", help="All staged workloads.")]
Yes = Annotated[bool, typer.Option("-y", "--yes", help="Do not ask for confirmation.")]
Live = Annotated[bool, typer.Option("--live", help="Ask the cluster now instead of showing the last known state.")]
