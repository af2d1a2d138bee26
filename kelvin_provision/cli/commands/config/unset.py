"""Remove a key from a settings file; its default applies again."""

from __future__ import annotations

from typing import Annotated

from kelvin_provision.cli.frame.complete import setting_keys
from kelvin_provision.cli.frame.declared import Argument, Option
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Report

_KEY = Argument(metavar="KEY", help="A key as `config show` prints it.", autocompletion=setting_keys)
_SITE = Option("--site", help="Change the file of the whole box instead of your own; root always does.")


def command(session: Session, key: Annotated[str, _KEY], *, site: Annotated[bool, _SITE] = False) -> Report:
    """Remove a key from a settings file; its default applies again.

    An unknown key is removed too: that is how a file with a misspelt key is repaired.
    """
    from kelvin_provision.cli.commands.config.setting import report, sources
    from kelvin_provision.usecases.config import UnsetSetting, unset_setting

    return report("config unset", unset_setting(sources(session), UnsetSetting(key, site)))
