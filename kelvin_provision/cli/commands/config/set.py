"""Set a key in a settings file, which keeps its comments and order."""

from __future__ import annotations

from typing import Annotated

import typer

from kelvin_provision.cli.frame.complete import setting_keys
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Report

_KEY = typer.Argument(metavar="KEY", help="For example registry or registries.r.example.com:5000.ca_file.", autocompletion=setting_keys)
_SITE = typer.Option("--site", help="In the file of the whole box, not in your own; as root there is no other.")


def command(
    session: Session,
    key: Annotated[str, _KEY],
    value: Annotated[str, typer.Argument(metavar="VALUE", help="As it would stand in the file; of a list, with commas.")],
    *,
    site: Annotated[bool, _SITE] = False,
) -> Report:
    """Set a key in a settings file, which keeps its comments and order.

    It is checked with all other settings before it is written. Every key: docs/configuration.md, or kelvin-provision config show -o wide.
    """
    from kelvin_provision.cli.commands.config.setting import report, sources
    from kelvin_provision.usecases.config import SetSetting, set_setting

    return report("config set", set_setting(sources(session), SetSetting(key, value, site)))
