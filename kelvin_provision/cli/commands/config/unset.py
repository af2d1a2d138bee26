"""Take a key out of a settings file, so that its default counts again."""

from __future__ import annotations

from typing import Annotated

import typer

from kelvin_provision.cli.frame.complete import setting_keys
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Report

_KEY = typer.Argument(metavar="KEY", help="As config show prints it.", autocompletion=setting_keys)
_SITE = typer.Option("--site", help="In the file of the whole box, not in your own; as root there is no other.")


def command(session: Session, key: Annotated[str, _KEY], *, site: Annotated[bool, _SITE] = False) -> Report:
    """Take a key out of a settings file, so that its default counts again.

    One that is not known goes as well: that is how a file with a misspelt key is repaired.
    """
    from kelvin_provision.cli.commands.config.setting import report, sources
    from kelvin_provision.usecases.config import UnsetSetting, unset_setting

    return report("config unset", unset_setting(sources(session), UnsetSetting(key, site)))
