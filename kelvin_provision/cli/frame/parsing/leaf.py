"""One command: its module imported, its own and the shared options created by typer."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand

from kelvin_provision.cli.frame.command_table import COMMON, HELP, Command
from kelvin_provision.cli.frame.parsing.options import SHARED, merged, with_shared
from kelvin_provision.cli.frame.terminal import name_column


class Leaf(TyperCommand):
    """A command whose help lists the shared options separately, and that accepts those given before its name."""

    def invoke(self, ctx: Any) -> Any:
        """With the shared options of the groups before it."""
        ctx.params.update(merged(ctx))
        return super().invoke(ctx)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Three sections: arguments, own options, common options."""
        sections: dict[str, list[Any]] = {"Arguments": [], "Options": [], COMMON: []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                common = COMMON if parameter.name in SHARED or parameter.name == "help" else "Options"
                sections["Arguments" if parameter.param_type_name == "argument" else common].append(record)
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records, col_max=name_column(formatter.width))


def loaded(path: str, entry: Command) -> TyperCommand:
    """Import one command; `path` are the words that name it."""
    function = import_module(entry.module).command
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    name = path.rpartition(" ")[2]
    wrapped = with_shared(function, path.partition(" ")[2])
    app.command(name, cls=Leaf, help=inspect.getdoc(function), context_settings=HELP)(wrapped)
    command = typer.main.get_command(app)
    if not isinstance(command, TyperCommand):
        raise TypeError(path)
    return command
