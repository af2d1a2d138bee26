"""Setting and unsetting one key in a file: found, checked with everything else that is set, and only then written."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kelvin_provision.errors import FileUnreadable, PermissionRefused, ProvisionError, SettingsInvalid, UsageRefused
from kelvin_provision.files.durable import private_folder, write_durably, writing_to
from kelvin_provision.hints import command
from kelvin_provision.settings.edit import changed
from kelvin_provision.settings.keys import HOST, KEYS, Key, Wrong, is_host
from kelvin_provision.settings.load import Loaded, load
from kelvin_provision.settings.sources import SITE, Place

REGISTRIES = "registries."
_BY_NAME = {key.name: key for key in KEYS}


@dataclass(frozen=True)
class Change:
    """What came of it: whether the file is another one, and the values that count now, None where they cannot be read."""

    path: Path
    written: bool
    loaded: Loaded | None

    def winner(self, name: str) -> tuple[str, str] | None:
        """Who else says what this key is, and what: None when the file's word counts, or nobody's."""
        for one in self.loaded.origins if self.loaded else ():
            if one.key == name and one.origin not in {str(self.path), "default"}:
                return one.origin, one.value
        return None


def find(name: str) -> tuple[Key, tuple[str, ...]]:
    """The key that a person names, and where it stands in a file. Raises UsageRefused with the nearest."""
    if name.startswith(REGISTRIES):
        host, _, leaf = name.removeprefix(REGISTRIES).rpartition(".")
        key = _BY_NAME.get(f"{REGISTRIES}{HOST}.{leaf}")
        if key is not None and is_host(host):
            return key, ("registries", host, leaf)
    elif name in _BY_NAME:
        return _BY_NAME[name], tuple(name.split("."))
    raise UsageRefused(f"no setting is called {name}", hint=command("config set", nearest(name), "VALUE"))


def nearest(name: str) -> str:
    """The known name that is most like it, with the host that was given; KEY when none is."""
    host = name.removeprefix(REGISTRIES).rpartition(".")[0] if name.startswith(REGISTRIES) else ""
    known = [key.name.replace(HOST, host) if host and is_host(host) else key.name for key in KEYS]
    return next(iter(difflib.get_close_matches(name, known, 1)), "KEY")


def value_of(name: str, key: Key, text: str) -> Any:
    """The text as it belongs into a file. Raises UsageRefused with what would be right."""
    value = key.type.from_text(text)
    try:
        key.type.read(value)
    except Wrong as wrong:
        raise UsageRefused(f"{name}: expected {wrong}, got {text}", hint=command("config show", "-o", "wide")) from None
    return value


def refuse_untrusted(name: str, key: Key, place: Place) -> None:
    """What only root may say stands in root's file."""
    if key.trusted and not place.trusted:
        raise UsageRefused(
            f"{name} counts in the site file only ({SITE}), or in one given with --config",
            hint=command("config set", name, "VALUE", sudo=True),
        )


def write(
    place: Place,
    path: tuple[str, ...],
    value: Any,
    *,
    config: Path | None,
    state_dir: Path | None,
    environ: Mapping[str, str],
    is_root: bool,
) -> Change:
    """Put it into the file, or with None take it out; durably, the file's mode kept. Raises SettingsInvalid before anything is written."""

    def tried(instead: Mapping[Path, bytes]) -> Loaded:
        return load(config=config, state_dir=state_dir, environ=environ, is_root=is_root, instead=instead)

    target = Path(place.path).resolve()
    text = _text(target)
    made = changed(str(place.path), text, path, value)
    if made != text:
        _refuse_worse(tried, place, made)
        if not target.parent.is_dir():
            _folder(target.parent, private=place.role == "user")
        write_durably(target, [made.encode()], mode=_mode(target, 0o600 if place.role == "user" else 0o644))
    loaded = None
    with suppress(ProvisionError):  # another file may be wrong; that is not this one's business
        loaded = tried({})
    return Change(place.path, made != text, loaded)


def _refuse_worse(tried: Callable[[Mapping[Path, bytes]], Loaded], place: Place, made: str) -> None:
    """What was wrong before may be repaired key by key; nothing else may become wrong."""
    before = _findings(lambda: tried({}))
    after = [one for one in _findings(lambda: tried({place.path: made.encode()})) if one not in before]
    if after:
        raise SettingsInvalid("with that, the settings would not be right; nothing was written", evidence=after)


def _findings(call: Callable[[], object]) -> tuple[str, ...]:
    try:
        call()
    except SettingsInvalid as error:
        return error.evidence
    return ()


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return ""
    except PermissionError as error:
        raise PermissionRefused(f"{path}: no permission to read it") from error
    except (OSError, UnicodeDecodeError) as error:
        raise FileUnreadable(f"{path} cannot be read as text") from error


def _folder(path: Path, *, private: bool) -> None:
    if private:
        private_folder(path)
        return
    with writing_to(path):
        path.mkdir(mode=0o755, parents=True, exist_ok=True)


def _mode(path: Path, otherwise: int) -> int:
    try:
        return path.stat().st_mode & 0o777
    except OSError:
        return otherwise
