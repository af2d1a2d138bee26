"""Restart the agent, with the present settings."""

from __future__ import annotations

from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Report


def command(session: Session) -> Report:
    """Restart the agent, with the present settings.

    A download continues at the byte where it stopped. It is refused (75) while the agent applies a change.
    """
    from kelvin_provision.agent.lifecycle import control
    from kelvin_provision.cli.commands.agent.controlling import run

    return run(session, "restart", control.restart)
