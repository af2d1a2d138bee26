"""Show every setting with its value and where it comes from."""

from __future__ import annotations

import os
from collections.abc import Sequence

from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import SCHEMA, Report, Table
from kelvin_provision.settings.model import Origin


def command(session: Session) -> Report:
    """Show every setting with its value and where it comes from.

    An option overrides the environment (KELVIN_PROVISION_*), which overrides the files, which override the defaults.
    """
    from kelvin_provision.settings.load import load

    loaded = load(config=session.config, state_dir=session.state_dir, environ=os.environ, is_root=os.geteuid() == 0)
    return shown(loaded.origins)


def shown(origins: Sequence[Origin]) -> Report:
    """The settings as a report; logins inside of addresses are left out."""
    from kelvin_provision.usecases.config import shown_settings

    settings = shown_settings(origins)
    rows = [tuple(setting.values()) for setting in settings]
    table = Table(("key", "value", "origin", "doc"), rows, wide=frozenset({"doc"}))
    return Report("config show", table=table, document={"schema": SCHEMA, "settings": settings}, names=tuple(o.key for o in origins))
