"""Changing one key of a settings file: checked with all other settings first, then written durably, under a lock beside the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from kelvin_provision.errors import FileUnreadable, PermissionRefused, ProvisionError, SettingsInvalid
from kelvin_provision.files.durable import private_folder, write_durably, writing_to
from kelvin_provision.files.lock import exclusive
from kelvin_provision.settings.edit import edited
from kelvin_provision.settings.load import Loaded, load
from kelvin_provision.settings.model import Origin
from kelvin_provision.settings.sources import Place, places

LOCK_TIMEOUT = 10.0
"""Seconds; a change takes milliseconds."""


@dataclass(frozen=True)
class Sources:
    """Where the settings of one run come from: `config` and `state_dir` are the options, None when they were not given."""

    environ: Mapping[str, str]
    is_root: bool
    config: Path | None = None
    state_dir: Path | None = None
    lock_timeout: float = LOCK_TIMEOUT
    """Seconds to wait for another process that changes the same file."""

    def places(self) -> tuple[Place, ...]:
        return places(self.config, self.environ, is_root=self.is_root)

    def load(self, contents: Mapping[Path, bytes] = MappingProxyType({})) -> Loaded:
        """`contents` replace what these files hold. Raises SettingsInvalid, PermissionRefused."""
        return load(config=self.config, state_dir=self.state_dir, environ=self.environ, is_root=self.is_root, contents=contents)


@dataclass(frozen=True)
class FileChange:
    """`loaded` are the settings after the change, None where they cannot be read."""

    path: Path
    written: bool
    loaded: Loaded | None

    def overridden_by(self, key: str) -> Origin | None:
        """What sets this key instead of the file: a variable, an option or a stronger file."""
        for origin in self.loaded.origins if self.loaded else ():
            if origin.key == key and origin.origin not in {str(self.path), "default"}:
                return origin
        return None


def change(sources: Sources, place: Place, path: tuple[str, ...], value: Any) -> FileChange:
    """Set the key at `path`, or remove it when the value is None. The file keeps its mode.

    Raises SettingsInvalid, with nothing written, when that makes a setting wrong that was not wrong before.
    """
    return change_text(sources, place, lambda before: edited(str(place.path), before, path, value))


def change_text(sources: Sources, place: Place, make: Callable[[str], str]) -> FileChange:
    """Several keys at once: `make` gets the text of the file and returns the one that it shall have. Raises as `change` and `make`."""
    target = Path(place.path).resolve()

    def edit() -> tuple[str, str]:
        before = text_of(target)
        after = make(before)
        if after != before:
            _refuse_worse(sources.load, place, after)
        return before, after

    before, after = edit()
    if before != after:
        _make_folder(target.parent, private=place.role == "user")
        with _locked(target, sources.lock_timeout):
            before, after = edit()  # another process may have written since
            if before != after:
                write_durably(target, [after.encode()], mode=_mode(target, 0o600 if place.role == "user" else 0o644))
    loaded = None
    with suppress(ProvisionError):  # another file may be wrong; this change is done all the same
        loaded = sources.load()
    return FileChange(place.path, before != after, loaded)


def _locked(target: Path, timeout: float) -> AbstractContextManager[None]:
    return exclusive(target.with_name(f".{target.name}.lock"), command="config set", wait=timeout)


def _refuse_worse(read: Callable[..., Loaded], place: Place, after: str) -> None:
    """What was wrong before may be repaired key by key; nothing else may become wrong."""
    before = _findings(read)
    new = [finding for finding in _findings(lambda: read({place.path: after.encode()})) if finding not in before]
    if new:
        raise SettingsInvalid("the settings would be invalid; nothing was written", evidence=new)


def _findings(call: Callable[[], object]) -> tuple[str, ...]:
    try:
        call()
    except SettingsInvalid as error:
        return error.evidence
    return ()


def text_of(path: Path) -> str:
    """Of a settings file; empty without one. Raises PermissionRefused, FileUnreadable."""
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return ""
    except PermissionError as error:
        raise PermissionRefused(f"{path}: no permission to read it") from error
    except (OSError, UnicodeDecodeError) as error:
        raise FileUnreadable(f"{path} cannot be read as text") from error


def _make_folder(path: Path, *, private: bool) -> None:
    if path.is_dir():
        return
    if private:
        private_folder(path)
        return
    with writing_to(path):
        path.mkdir(mode=0o755, parents=True, exist_ok=True)


def _mode(path: Path, default: int) -> int:
    try:
        return path.stat().st_mode & 0o777
    except OSError:
        return default
