"""Say whether the agent is alive and what it does."""

from __future__ import annotations

from kelvin_provision.cli.session import Session
from kelvin_provision.report import Report


def command(session: Session) -> Report:
    """Say whether the agent is alive and what it does."""
    return status(session)


def status(session: Session) -> Report:
    """The one call."""
    raise NotImplementedError(session)  # lead
