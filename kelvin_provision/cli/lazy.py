"""Groups that describe their commands from the table and import only the one that was asked for.

Of typer's inside only the names of `typer.core` are used: they outlived its changes from 0.17 to 0.28 (docs/adr/0001).
"""

from __future__ import annotations

import difflib
import inspect
import sys
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from kelvin_provision import __version__
from kelvin_provision.cli.options import FLAGS, SHARED, with_shared
from kelvin_provision.cli.table import ENTRIES, PROGRAM, SUMMARY, Command, Entries, Group
from kelvin_provision.cli.terminal import write
from kelvin_provision.errors import UsageRefused

_HELP = {"help_option_names": ["-h", "--help"]}


class Leaf(TyperCommand):
    """A command whose help lists the shared options apart from its own."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Three sections: arguments, own options, common options."""
        sections: dict[str, list[Any]] = {"Arguments": [], "Options": [], "Common options": []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                common = "Common options" if parameter.name in SHARED or parameter.name == "help" else "Options"
                sections["Arguments" if parameter.param_type_name == "argument" else common].append(record)
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


class LazyGroup(TyperGroup):
    """A group whose commands are known by name and help; resolving one imports it."""

    def __init__(self, name: str, summary: str, entries: Entries, **more: Any) -> None:
        super().__init__(name=name, help=summary, rich_markup_mode=None, context_settings=_HELP, **more)
        self.entries = entries

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Without any word: the help, on stderr and with 2, so that a script which lost its command does not see success."""
        if not args and not ctx.resilient_parsing:
            write(sys.stderr, f"{ctx.get_help()}\n")
            raise typer.Exit(2)
        flag = args[0].partition("=")[0] if args else ""
        if flag in FLAGS and not ctx.resilient_parsing:
            raise UsageRefused(f"{flag} goes behind the command", hint=f"{ctx.command_path} COMMAND {flag}")
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002  (typer's signature)
        """In the order of the table."""
        return list(self.entries)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002  (typer's signature)
        """For help: a stand-in that knows its one line."""
        entry = self.entries.get(cmd_name)
        if isinstance(entry, Group):
            return LazyGroup(cmd_name, entry.help, entry.commands)
        return TyperCommand(cmd_name, help=entry.help, rich_markup_mode=None) if entry else None

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """For running: the command itself; raises UsageRefused with the nearest name for one that is not there."""
        entry = self.entries.get(args[0])
        if isinstance(entry, Command):
            return args[0], loaded(f"{ctx.command_path} {args[0]}", entry), args[1:]
        if isinstance(entry, Group):
            return args[0], self.get_command(ctx, args[0]), args[1:]
        near = difflib.get_close_matches(args[0], self.entries, 1)
        raise UsageRefused(f"{ctx.command_path} has no command {args[0]}", hint=" ".join((ctx.command_path, *(near or ["--help"]))))


def loaded(path: str, entry: Command) -> TyperCommand:
    """Import one command; `path` is all the words that name it."""
    function = import_module(entry.module).command
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    name = path.rpartition(" ")[2]
    wrapped = with_shared(function, path.partition(" ")[2])
    app.command(name, cls=Leaf, help=inspect.getdoc(function), context_settings=_HELP)(wrapped)
    command = typer.main.get_command(app)
    if not isinstance(command, TyperCommand):
        raise TypeError(path)
    return command


def root() -> LazyGroup:
    """The command `kelvin-provision` itself."""
    version = TyperOption(
        param_decls=["--version"], is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version and exit."
    )
    return LazyGroup(PROGRAM, SUMMARY, ENTRIES, params=[version])


def _version(ctx: Any, _parameter: Any, asked: bool) -> None:  # noqa: FBT001  (typer's signature)
    if asked and not ctx.resilient_parsing:
        write(sys.stdout, f"{PROGRAM} {__version__}\n")
        raise typer.Exit
