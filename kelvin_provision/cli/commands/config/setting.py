"""What `config set` and `config unset` share: the session's settings sources, and the result as a report."""

from __future__ import annotations

import os

from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report
from kelvin_provision.settings.files import Sources
from kelvin_provision.usecases.config import SettingResult


def sources(session: Session) -> Sources:
    return Sources(os.environ, is_root=os.geteuid() == 0, config=session.config, state_dir=session.state_dir)


def report(command: str, result: SettingResult) -> Report:
    path = result.place.path
    if result.value is not None:
        outcome, detail = "set", f"{result.value}, in {path}"
    else:
        outcome, detail = "unset", f"in {path}" if result.changed else f"it is not in {path}"
    item = Item("setting", result.key, outcome if result.changed else "unchanged", detail)
    return Report(command, (item,), warnings=result.warnings)
