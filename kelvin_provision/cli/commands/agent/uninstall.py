"""Stop the service of the agent and remove it."""

from __future__ import annotations

import os

from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report


def command(session: Session) -> Report:
    """Stop the service of the agent and remove it.

    Workloads keep running, and downloaded images are kept.
    """
    del session  # there is one service on a box, whatever folder it works in
    return uninstall()


def uninstall() -> Report:
    """By its name."""
    from kelvin_provision.agent.systemd import service
    from kelvin_provision.systemd.systemctl import Systemd

    done = service.uninstall(Systemd.of(os.environ))
    return Report("agent uninstall", (Item("unit", str(done.unit), done.outcome),), warnings=done.warnings)
