"""Serve the REST API in the foreground."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

from kelvin_provision.cli.frame.declared import Option
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Report

if TYPE_CHECKING:
    from kelvin_provision.settings.model import ApiSettings

_LISTEN = Option("--listen", metavar="ADDRESS:PORT", help="Listen here instead of at api.listen; may be repeated.")


def command(session: Session, *, listen: Annotated[list[str] | None, _LISTEN] = None) -> Report:
    """Serve the REST API in the foreground.

    It reads the ledger and stores orders, which the agent carries out; it never asks the cluster. Users are made with `api user add`.
    Addresses that other machines can reach speak TLS: their certificate is made at the first start, see `api cert show`.
    """
    from kelvin_provision.agent.lifecycle.launcher import same_box
    from kelvin_provision.api_service.libraries import refuse_missing
    from kelvin_provision.api_service.memory import RULES
    from kelvin_provision.cli.frame.box import settings_of
    from kelvin_provision.files.processes import own_process

    settings = settings_of(session)
    refuse_missing()
    words = [*same_box(settings.state_dir, session.config), *(word for address in listen or () for word in ("--listen", address))]
    _show_address(settings.api, listen)
    sys.stdout.flush()
    # In place of this process: nothing that a command has imported stays in the memory of one that runs for months.
    os.execve(sys.executable, [*own_process("kelvin_provision.api"), *words], {**RULES, **os.environ})  # noqa: S606  (no shell is meant)


def _show_address(api: ApiSettings, listen: list[str] | None) -> None:
    """On a terminal, how a telephone gets to it: nothing of this stays in the process of the API. Raises ListenRefused."""
    from dataclasses import replace

    from kelvin_provision.cli.frame import terminal
    from kelvin_provision.tls.listen import secure_urls

    urls = secure_urls(replace(api, listen=tuple(listen)) if listen else api)
    if urls and terminal.can_draw(sys.stderr):
        from kelvin_provision.cli.commands.api.cert.shown import qr_code

        lines = qr_code(urls[0], encoding=sys.stderr.encoding, width=terminal.columns())
        terminal.write(sys.stderr, "".join(f"{line.text}\n" for line in lines))
