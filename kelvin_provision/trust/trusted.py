"""The keys that this box trusts: the files of the setting trust.keys, believed only where no other user can have written them."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from kelvin_provision.errors import TrustedKeyInvalid
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.durable import read_regular
from kelvin_provision.hints import Hint, command, system
from kelvin_provision.settings.model import TrustSettings
from kelvin_provision.trust.public_keys import LARGEST, InvalidKey, PublicKey, public_key_of_pem

_OTHERS_WRITE = 0o022
_SUFFIXES = (".pem", ".pub")


@dataclass(frozen=True)
class InspectedKey:
    """A file of trust.keys: the key in it, or why it cannot be used."""

    path: Path
    key: PublicKey | None = None
    error: TrustedKeyInvalid | None = None


def inspected(settings: TrustSettings) -> tuple[InspectedKey, ...]:
    """Every file, usable or not."""
    return tuple(map(_inspected, settings.keys))


def _inspected(path: Path) -> InspectedKey:
    try:
        return InspectedKey(path, trusted_key(path))
    except TrustedKeyInvalid as error:
        return InspectedKey(path, error=error)


def trusted_keys(settings: TrustSettings) -> tuple[PublicKey, ...]:
    """Each key once, under its first name. Raises TrustedKeyInvalid for the first that cannot be used: none is left out in silence."""
    keys: dict[str, PublicKey] = {}
    for key in map(trusted_key, settings.keys):
        keys.setdefault(key.key_id, key)
    return tuple(keys.values())


def trusted_key(path: Path) -> PublicKey:
    """Raises TrustedKeyInvalid."""
    data = _read(path)
    try:
        return public_key_of_pem(data, name_of(path))
    except InvalidKey as error:
        hint = command("key show", str(path), instruction="keys are Ed25519 or ECDSA P-256, in PEM; look at it")
        raise TrustedKeyInvalid(f"trusted key {path}: {error}", hint=hint) from error


def name_of(path: Path) -> str:
    """The file's name, as people call the key."""
    return path.stem if path.suffix in _SUFFIXES and path.stem else path.name


def _read(path: Path) -> bytes:
    """As a file that only root, or the user who runs this, can have written. Raises TrustedKeyInvalid."""
    try:
        _refuse_folder(path.parent)
        data, status = read_regular(path, LARGEST + 1, links=False)
    except OSError as error:
        raise _unreadable(path, error) from error
    _refuse_writers(path, status)
    return data


def _refuse_folder(folder: Path) -> None:
    """In a folder that others can write to, they can put another file in its place; a sticky one keeps that from them."""
    status = folder.stat()
    if not status.st_mode & stat.S_ISVTX:
        _refuse_writers(folder, status)


def _refuse_writers(path: Path, status: os.stat_result) -> None:
    if status.st_uid not in {0, os.getuid()}:
        raise _refused(path, "it belongs to another user", system("chown", "root:", str(path)))
    if status.st_mode & _OTHERS_WRITE:
        mode = f"other users can write to it (mode {stat.S_IMODE(status.st_mode):04o})"
        raise _refused(path, mode, system("chmod", "go-w", str(path)))


def _unreadable(path: Path, error: OSError) -> TrustedKeyInvalid:
    if error.errno == errno.ELOOP:
        return _refused(path, "it is a link", system("readlink", "-f", str(path), instruction="set trust.keys to the file itself"))
    return _refused(path, (error.strerror or str(error)).lower())


def _refused(path: Path, reason: str, hint: Hint | str = "") -> TrustedKeyInvalid:
    return TrustedKeyInvalid(f"trusted key {path}: {reason}", hint=hint)
