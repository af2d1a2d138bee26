"""Show everything about one workload."""

from __future__ import annotations

from typing import Annotated

import typer

from kelvin_provision.cli.complete import workload_names
from kelvin_provision.cli.session import Session
from kelvin_provision.report import Report

_NAME = typer.Option("-n", "--name", metavar="NAME", help="The workload.", autocompletion=workload_names)


def command(
    session: Session,
    *,
    name: Annotated[str, _NAME],
    live: Annotated[bool, typer.Option("--live", help="Ask the cluster now instead of showing what was seen last.")] = False,
) -> Report:
    """Show everything about one workload.

    With --json: the platform's own document.
    """
    return show(session, name, live=live)


def show(session: Session, name: str, *, live: bool) -> Report:
    """The one call."""
    raise NotImplementedError(session, name, live)  # lead
