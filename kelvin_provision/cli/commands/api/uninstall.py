"""Stop the service of the REST API and remove it."""

from __future__ import annotations

import os

from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report


def command(session: Session) -> Report:
    """Stop the service of the REST API and remove it.

    Users, workloads and the agent stay as they are.
    """
    del session  # there is one service on a box, whatever folder it works in
    from kelvin_provision.api_service import service
    from kelvin_provision.systemd.systemctl import Systemd

    done = service.uninstall(service.Box(Systemd.of(os.environ)))
    return Report("api uninstall", (Item("unit", str(done.unit), done.outcome),), warnings=done.warnings)
