"""Start the agent in the background."""

from __future__ import annotations

from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Report


def command(session: Session) -> Report:
    """Start the agent in the background.

    Through systemd where it is installed as a service, otherwise detached from the terminal. A running agent is left alone.
    """
    from kelvin_provision.agent.lifecycle import control
    from kelvin_provision.cli.commands.agent.controlling import run

    return run(session, "start", control.start)
