"""`config set` and `config unset`: which file, what was done, and who has the last word."""

from __future__ import annotations

import os
from typing import Any

from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report
from kelvin_provision.errors import UsageRefused
from kelvin_provision.hints import command as to_type
from kelvin_provision.settings import change
from kelvin_provision.settings.edit import written
from kelvin_provision.settings.sources import Place, places


def put(session: Session, name: str, text: str, *, site: bool) -> Report:
    """Set a key. Raises UsageRefused for a key or value that is not right, SettingsInvalid where the file cannot take it."""
    key, path = change.find(name)
    value = change.value_of(name, key, text)
    place = _place(session, site=site)
    change.refuse_untrusted(name, key, place)
    done = _written(session, place, path, value)
    outcome = "set" if done.written else "unchanged"
    item = Item("setting", name, outcome, f"{written(value)}, in {place.path}")
    return Report("config set", (item,), warnings=_warnings(done, name))


def take_out(session: Session, name: str, *, site: bool) -> Report:
    """Unset a key, also one that is not known and stands there all the same."""
    place = _place(session, site=site)
    try:
        _, path = change.find(name)
    except UsageRefused as unknown:
        done = _written(session, place, tuple(name.split(".")), None)
        if not done.written:
            near = change.nearest(name)
            raise UsageRefused(str(unknown), hint=to_type("config unset", near)) from None
    else:
        done = _written(session, place, path, None)
    item = Item(
        "setting", name, "unset" if done.written else "unchanged", f"in {place.path}" if done.written else f"it is not in {place.path}"
    )
    return Report("config unset", (item,), warnings=_warnings(done, name))


def _place(session: Session, *, site: bool) -> Place:
    """The file of --config; else the site file for root, or when it is asked for; else the person's own."""
    if session.config is not None:
        if site:
            raise UsageRefused("--site and --config name two files")
        return Place(session.config, "flag")
    found = places(None, os.environ, is_root=os.geteuid() == 0)
    return found[0] if site else found[-1]


def _written(session: Session, place: Place, path: tuple[str, ...], value: Any) -> change.Change:
    return change.write(
        place, path, value, config=session.config, state_dir=session.state_dir, environ=os.environ, is_root=os.geteuid() == 0
    )


def _warnings(done: change.Change, name: str) -> tuple[str, ...]:
    winner = done.winner(name)
    return (f"{winner[0]} wins over {done.path}: {name} is {winner[1]}",) if winner else ()
