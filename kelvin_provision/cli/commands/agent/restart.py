"""Restart the agent, with the present settings."""

from __future__ import annotations

from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Report


def command(session: Session) -> Report:
    """Restart the agent, with the present settings.

    A download continues at the byte where it stopped. It is refused (75) while the agent applies a change.
    """
    return restart(session)


def restart(session: Session) -> Report:
    """Of this state directory alone; not where it would end at once."""
    from kelvin_provision.agent.lifecycle import control
    from kelvin_provision.cli.commands.agent.controlling import idle, report, systemd, unneeded
    from kelvin_provision.cli.frame.box import same_box, settings_of

    if unused := idle(session):
        return unneeded("restart", unused)
    settings = settings_of(session)
    return report("restart", settings.state_dir, control.restart(systemd(), settings.state_dir, same_box(session, settings)))
