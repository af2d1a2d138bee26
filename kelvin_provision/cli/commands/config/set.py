"""Set a key in a settings file; its comments and order are kept."""

from __future__ import annotations

from typing import Annotated

from kelvin_provision.cli.frame.complete import setting_keys
from kelvin_provision.cli.frame.declared import Argument, Option
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Report

_KEY = Argument(metavar="KEY", help="For example registry or registries.r.example.com:5000.ca_file.", autocompletion=setting_keys)
_SITE = Option("--site", help="Change the file of the whole box instead of your own; root always does.")


def command(
    session: Session,
    key: Annotated[str, _KEY],
    value: Annotated[str, Argument(metavar="VALUE", help="The value as in the file; a list is separated by commas.")],
    *,
    site: Annotated[bool, _SITE] = False,
) -> Report:
    """Set a key in a settings file; its comments and order are kept.

    The value is checked together with all other settings before it is written. `config show -o wide` lists every key.
    """
    from kelvin_provision.cli.commands.config.setting import report, sources
    from kelvin_provision.usecases.config import SetSetting, set_setting

    return report("config set", set_setting(sources(session), SetSetting(key, value, site)))
