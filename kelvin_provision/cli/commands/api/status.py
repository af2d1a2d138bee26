"""Show whether the REST API runs, where, and for whom."""

from __future__ import annotations

import os

from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import SCHEMA, Report


def command(session: Session) -> Report:
    """Show whether the REST API runs, where, and for whom.

    Exits with 1 if it does not run. With --json: `api` (alive, pid, user, since, service, addresses, users, certificate, log).
    """
    from kelvin_provision.api_service.status import status
    from kelvin_provision.cli.frame.box import context_of
    from kelvin_provision.cli.render.services import api_text
    from kelvin_provision.systemd.systemctl import Systemd

    with context_of(session) as ctx:
        result = status(ctx, Systemd.of(os.environ))
    return Report("api status", document={"schema": SCHEMA} | result.to_json(), text=api_text(result), exit_code=0 if result.alive else 1)
