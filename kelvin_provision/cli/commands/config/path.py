"""Show which settings files are read, and which of them exist."""

from __future__ import annotations

import os

from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import SCHEMA, Report, Table


def command(session: Session) -> Report:
    """Show which settings files are read, and which of them exist.

    Later ones override earlier ones. For root only the site file is read; --config replaces all of them.
    """
    from kelvin_provision.settings.sources import places
    from kelvin_provision.usecases.config import shown_files

    files = shown_files(places(session.config, os.environ, is_root=os.geteuid() == 0))
    rows = [(str(file["path"]), str(file["role"]), "yes" if file["exists"] else "no") for file in files]
    names = tuple(row[0] for row in rows)
    return Report("config path", table=Table(("path", "role", "exists"), rows), document={"schema": SCHEMA, "files": files}, names=names)
