"""The settings: `config set` and `config unset` change one key of a file; what `config show` and `config path` show."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kelvin_provision.errors import UsageRefused
from kelvin_provision.hints import command
from kelvin_provision.masking.text import mask_logins
from kelvin_provision.settings import files, keys
from kelvin_provision.settings.edit import format_value
from kelvin_provision.settings.files import FileChange, Sources
from kelvin_provision.settings.model import Origin
from kelvin_provision.settings.sources import Place


def shown_settings(origins: Sequence[Origin]) -> list[dict[str, str]]:
    """Without the logins inside of addresses."""
    return [{"key": o.key, "value": mask_logins(o.value), "origin": o.origin, "doc": o.doc} for o in origins]


def shown_files(places: Sequence[Place]) -> list[dict[str, Any]]:
    return [{"path": str(place.path), "role": place.role, "exists": os.path.exists(place.path)} for place in places]  # noqa: PTH110  (never raises)


@dataclass(frozen=True)
class SetSetting:
    """`value` as it is typed. `site`: in the site file, also for a user who is not root."""

    key: str
    value: str
    site: bool = False


@dataclass(frozen=True)
class UnsetSetting:
    key: str
    site: bool = False


@dataclass(frozen=True)
class SettingResult:
    """`value` as it is written in the file, None after an unset. `changed` is False if the file had this value already."""

    key: str
    value: str | None
    place: Place
    changed: bool
    warnings: tuple[str, ...] = ()


def set_setting(sources: Sources, request: SetSetting) -> SettingResult:
    """Set a key in one settings file, which keeps its comments and order.

    Raises UsageRefused for an unknown key or a wrong value, SettingsInvalid when the settings together would be wrong (nothing is
    written then), Locked when another process keeps changing the file.
    """
    key, path = keys.find(request.key)
    value = keys.value_from_text(request.key, key, request.value)
    place = _place(sources, site=request.site)
    keys.refuse_untrusted(request.key, key, trusted=place.trusted)
    change = files.change(sources, place, path, value)
    return SettingResult(request.key, format_value(value), place, change.written, _warnings(change, request.key))


def unset_setting(sources: Sources, request: UnsetSetting) -> SettingResult:
    """Remove a key from one settings file, also an unknown one. Raises like `set_setting`."""
    place = _place(sources, site=request.site)
    try:
        _, path = keys.find(request.key)
    except UsageRefused as unknown:
        change = files.change(sources, place, keys.path_of(request.key), None)
        if not change.written:
            raise UsageRefused(str(unknown), hint=command("config unset", keys.closest(request.key))) from None
    else:
        change = files.change(sources, place, path, None)
    return SettingResult(request.key, None, place, change.written, _warnings(change, request.key))


def _place(sources: Sources, *, site: bool) -> Place:
    """The file of --config; otherwise the site file for root or with --site, and the user's own file for other users."""
    if sources.config is not None and site:
        raise UsageRefused("--site and --config contradict each other")
    places = sources.places()
    return places[0] if site else places[-1]


def _warnings(change: FileChange, key: str) -> tuple[str, ...]:
    origin = change.overridden_by(key)
    return (f"{origin.origin} overrides {change.path}: {key} is {origin.value}",) if origin else ()
