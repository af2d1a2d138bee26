"""Have the box look at media that arrive, as media.auto says."""

from __future__ import annotations

import os

from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report


def command(session: Session) -> Report:
    """Have the box look at media that arrive, as media.auto says.

    Writes a rule of udev, and a systemd unit that the rule starts for each filesystem on a removable medium, with the path of this
    installation, this state directory and this configuration. Running it again changes nothing.
    """
    from kelvin_provision.agent.lifecycle.launcher import same_box
    from kelvin_provision.cli.frame.box import settings_of
    from kelvin_provision.media_service import service
    from kelvin_provision.systemd.systemctl import Systemd

    settings, systemd = settings_of(session), Systemd.of(os.environ)
    done = service.install(systemd, settings, same_box(settings.state_dir, session.config), os.environ)
    items = (Item("unit", str(done.unit), done.outcome), Item("rule", str(service.rule_path(systemd)), done.outcome))
    return Report("media install", items, warnings=done.warnings)
