"""Leave media that arrive alone."""

from __future__ import annotations

import os

from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report


def command(session: Session) -> Report:
    """Leave media that arrive alone.

    Removes the rule of udev and the systemd unit. What was imported stays as it is.
    """
    del session  # there is one on a box, whatever folder it works in
    from kelvin_provision.media_service import service
    from kelvin_provision.systemd.systemctl import Systemd

    done = service.uninstall(Systemd.of(os.environ))
    return Report("media uninstall", (Item("unit", str(done.unit), done.outcome),), warnings=done.warnings)
