"""Do the background work in the foreground until stopped."""

from __future__ import annotations

from typing import Annotated

import typer

from kelvin_provision.cli.session import Session
from kelvin_provision.report import Report


def command(
    session: Session,
    *,
    until_idle: Annotated[bool, typer.Option("--until-idle", help="End when there is nothing left to do.")] = False,
) -> Report:
    """Do the background work in the foreground until stopped.

    It downloads, applies what is to be applied at once, and keeps what `workloads list` shows fresh. One at a time on a box.
    """
    return run(session, until_idle=until_idle)


def run(session: Session, *, until_idle: bool) -> Report:
    """The one call."""
    raise NotImplementedError(session, until_idle)  # lead
