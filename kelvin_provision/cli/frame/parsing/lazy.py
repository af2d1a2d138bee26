"""Groups that describe their commands from the table and import only the one that runs.

Only names of `typer.core` are used from inside typer: they have been stable from 0.17 to 0.28 (docs/adr/0001).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from kelvin_provision import __version__
from kelvin_provision.cli.frame.command_table import COMMON, ENTRIES, HELP, PROGRAM, SHARED_OPTIONS, SUMMARY, Command, Entries, Group
from kelvin_provision.cli.frame.terminal import name_column, write
from kelvin_provision.errors import UsageRefused

_OWN = {"-h", "--help", "--version"}


class LazyGroup(TyperGroup):
    """A group whose commands are known by name and help; resolving one imports it."""

    def __init__(self, name: str, summary: str, entries: Entries, **more: Any) -> None:
        super().__init__(name=name, help=summary, rich_markup_mode=None, context_settings=HELP, **more)
        self.entries = entries
        self.takes_shared = False

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Without arguments: the help on stderr and exit code 2, so that a script which lost its command does not see success."""
        if not args and not ctx.resilient_parsing:
            write(sys.stderr, f"{ctx.get_help()}\n")
            raise typer.Exit(2)
        self.takes_shared = any(word.startswith("-") and word not in _OWN for word in args[:1])
        return super().parse_args(ctx, args)

    def get_params(self, ctx: Any) -> list[Any]:
        """The shared options only if one was given: creating them takes time."""
        return [*self._shared(), *super().get_params(ctx)] if self.takes_shared else list(super().get_params(ctx))

    def _shared(self) -> Sequence[Any]:
        from kelvin_provision.cli.frame.parsing.options import parameters

        return parameters()

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002  (typer's signature)
        """With all of each help: typer would cut it off in a narrow terminal."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in self.entries.items()], col_max=name_column(formatter.width))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """The commands first, then the shared options."""
        self.format_commands(ctx, formatter)
        *own, help_option = super().get_params(ctx)
        # From the table: help does not create the options.
        shared = [(" ".join((", ".join(option.names), option.metavar)).rstrip(), option.help) for option in SHARED_OPTIONS.values()]
        for title, records in (
            ("Options", [option.get_help_record(ctx) for option in own]),
            (COMMON, [*shared, help_option.get_help_record(ctx)]),
        ):
            if records:
                with formatter.section(title):
                    formatter.write_dl(records, col_max=name_column(formatter.width))

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002  (typer's signature)
        """In the order of the table."""
        return list(self.entries)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002  (typer's signature)
        """For help: a stand-in that has only its one-line help."""
        entry = self.entries.get(cmd_name)
        if isinstance(entry, Group):
            return LazyGroup(cmd_name, entry.help, entry.commands)
        return TyperCommand(cmd_name, help=entry.help, rich_markup_mode=None) if entry else None

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """For running: the command itself; for an unknown one raises UsageRefused with the nearest command."""
        entry = self.entries.get(args[0])
        if isinstance(entry, Command):
            from kelvin_provision.cli.frame.parsing.leaf import loaded

            return args[0], loaded(f"{ctx.command_path} {args[0]}", entry), args[1:]
        if isinstance(entry, Group):
            return args[0], self.get_command(ctx, args[0]), args[1:]
        from kelvin_provision.cli.frame.suggestions.nearest import meant

        group = ctx.command_path.partition(" ")[2]
        raise UsageRefused(f"{ctx.command_path} has no command {args[0]}", hint=meant(group, args[0], args[1:], self.entries))


def root() -> LazyGroup:
    version = TyperOption(
        param_decls=["--version"], is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version and exit."
    )
    return LazyGroup(PROGRAM, SUMMARY, ENTRIES, params=[version])


def _version(ctx: Any, _parameter: Any, given: bool) -> None:  # noqa: FBT001  (typer's signature)
    if given and not ctx.resilient_parsing:
        write(sys.stdout, f"{PROGRAM} {__version__}\n")
        raise typer.Exit
