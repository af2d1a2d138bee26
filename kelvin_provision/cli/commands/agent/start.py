"""Start the agent in the background."""

from __future__ import annotations

from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Report


def command(session: Session) -> Report:
    """Start the agent in the background.

    Through systemd where it is installed as a service, otherwise detached from the terminal. A running agent is left alone.
    """
    return start(session)


def start(session: Session) -> Report:
    """Of this state directory alone; not where it would end at once."""
    from kelvin_provision.agent.lifecycle import control
    from kelvin_provision.cli.commands.agent.controlling import idle, report, systemd, unneeded
    from kelvin_provision.cli.frame.box import same_box, settings_of

    if unused := idle(session):
        return unneeded("start", unused)
    settings = settings_of(session)
    return report("start", settings.state_dir, control.start(systemd(), settings.state_dir, same_box(session, settings)))
