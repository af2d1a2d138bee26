"""Remove workloads, or only their staged versions."""

from __future__ import annotations

from typing import Annotated

import typer

from kelvin_provision.cli.complete import workload_names
from kelvin_provision.cli.confirm import confirm
from kelvin_provision.cli.session import Session
from kelvin_provision.report import Report

_NAME = typer.Option("-n", "--name", metavar="NAME", help="The workload; may be repeated.", autocompletion=workload_names)


def command(
    session: Session,
    *,
    name: Annotated[list[str], _NAME],
    staged: Annotated[bool, typer.Option("--staged", help="Only the staged version; what runs goes on.")] = False,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")] = False,
) -> Report:
    """Remove workloads, or only their staged versions.

    A workload's local data goes with it. Without --yes it asks, and refuses where there is no terminal to ask on.
    """
    named = ", ".join(name)
    what = f"this will remove the staged version of {named}" if staged else f"this will remove {named} with all local data"
    confirm(what, yes=yes)
    return undeploy(session, name, staged=staged)


def undeploy(session: Session, names: list[str], *, staged: bool) -> Report:
    """The one call."""
    raise NotImplementedError(session, names, staged)  # lead
