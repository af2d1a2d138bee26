"""Install the REST API as a service that starts with the box."""

from __future__ import annotations

import os
from typing import Annotated

from kelvin_provision.cli.frame.declared import Option
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report

_LISTEN = Option("--listen", metavar="ADDRESS:PORT", help="Listen here, too: added to api.listen. May be repeated.")
_NOW = Option("--now/--no-now", help="Start it now, not only with the box.")


def command(session: Session, *, listen: Annotated[list[str] | None, _LISTEN] = None, now: Annotated[bool, _NOW] = True) -> Report:
    """Install the REST API as a service that starts with the box.

    Writes systemd units for this installation, this state directory and the addresses in api.listen, which systemd keeps open: while the
    service restarts, clients that connect wait. The API may write its state directory only, and reaches neither cluster nor runtime;
    install the agent, too. Run it again after a change of api.listen.
    """
    from kelvin_provision.api_service import service
    from kelvin_provision.cli.commands.config.setting import sources
    from kelvin_provision.cli.frame.box import settings_of
    from kelvin_provision.settings.types import expanded
    from kelvin_provision.systemd.systemctl import Systemd

    settings = service.listen_too(sources(session), settings_of(session), listen or ())
    config = expanded(str(session.config)).absolute() if session.config else None
    done = service.install(service.Box(Systemd.of(os.environ)), settings, config, os.environ, now=now)
    items = [Item("unit", str(done.done.unit), done.done.outcome), *(Item("address", address, "listens") for address in done.addresses)]
    items += [Item("screen", str(done.issue), "shows the address")] if done.issue else []
    items += [Item("certificate", done.fingerprint, "served", "SHA-256; api cert show")] if done.fingerprint else []
    return Report("api install", tuple(items), warnings=done.warnings)
