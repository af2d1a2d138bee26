"""Install the agent as a service that starts with the box."""

from __future__ import annotations

import os
from typing import Annotated

from kelvin_provision.cli.frame.declared import Option
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report

_NOW = Option("--now/--no-now", help="Start it now, in place of an agent that runs without a service.")


def command(session: Session, *, now: Annotated[bool, _NOW] = True) -> Report:
    """Install the agent as a service that starts with the box.

    Writes a systemd unit with the path of this installation, this state directory and this configuration. Running it again changes
    nothing.
    """
    return install(session, now=now)


def install(session: Session, *, now: bool) -> Report:
    """As the session has it; where systemd does not run, the unit is written all the same."""
    from kelvin_provision.agent.lifecycle.launcher import same_box
    from kelvin_provision.agent.systemd import service
    from kelvin_provision.cli.frame.box import settings_of
    from kelvin_provision.systemd.systemctl import Systemd

    settings = settings_of(session)
    arguments = same_box(settings.state_dir, session.config)
    done = service.install(Systemd.of(os.environ), settings.state_dir, arguments, os.environ, now=now)
    return Report("agent install", (Item("unit", str(done.unit), done.outcome),), warnings=done.warnings)
