"""List workloads with their states."""

from __future__ import annotations

from typing import Annotated

import typer

from kelvin_provision.cli.session import Session
from kelvin_provision.report import Report
from kelvin_provision.spec.words import State

_STATE = typer.Option("--state", help="Only those in this state; may be repeated.")
_SEARCH = typer.Option("--search", metavar="TEXT", help="Only those with this in a name or title, in capitals or not; may be repeated.")


def command(
    session: Session,
    *,
    staged: Annotated[bool, typer.Option("--staged", help="Only staged versions, with their download states.")] = False,
    state: Annotated[list[State] | None, _STATE] = None,
    search: Annotated[list[str] | None, _SEARCH] = None,
    live: Annotated[bool, typer.Option("--live", help="Ask the cluster now instead of showing what was seen last.")] = False,
) -> Report:
    """List workloads with their states.

    With --json: the platform's own list.
    """
    return listed(session, staged=staged, states=state or [], search=search or [], live=live)


def listed(session: Session, *, staged: bool, states: list[State], search: list[str], live: bool) -> Report:
    """The one call."""
    raise NotImplementedError(session, staged, states, search, live)  # lead
