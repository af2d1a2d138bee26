"""Parameters that are options and arguments alike: names of workloads, and files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from kelvin_provision.cli.frame.declared import Argument, Option
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

    @property
    def option(self) -> Option:
        more = "" if self.single else "; may be repeated"
        text = f"The same as {self.metavar}{more}."
        return Option(*self.flags, metavar=self.metavar, help=text, autocompletion=self.complete, allow_dash=True)

    @property
    def argument(self) -> Argument:
        """A required value may also be given as the option: `joined` checks that there is one."""
        usage = self.metavar if self.single else f"{self.metavar}..."
        return Argument(metavar=f"[{usage}]", help=self.help, autocompletion=self.complete, allow_dash=True)


def _completed(ctx: Any, args: list[str], incomplete: str) -> list[str]:
    from kelvin_provision.cli.frame.complete import workload_names  # only a shell that completes asks

    return workload_names(ctx, args, incomplete)


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
    return Either(("-n", "--name"), "NAME", noun, about, _completed, single=single, required=required, hint=_LIST)


Names = Annotated[list[str], names("The workloads.", required=True)]
OptionalNames = Annotated[list[str], names("The workloads.")]
Name = Annotated[str, names("The workload.", required=True, single=True)]
Files = Annotated[list[Path], Either(("-f", "--file"), "FILE", "file", "Requests in YAML or JSON; - for standard input.", kind=Path)]

All = Annotated[bool, Option("--all", help="All staged workloads.")]
Yes = Annotated[bool, Option("-y", "--yes", help="Do not ask for confirmation.")]
Live = Annotated[bool, Option("--live", help="Ask the cluster now instead of showing the last known state.")]
