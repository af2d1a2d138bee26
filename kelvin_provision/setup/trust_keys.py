"""Public keys that this box is to trust: checked where they are, and copied to a folder that only root can write to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kelvin_provision.errors import KeyInvalid, ProvisionError
from kelvin_provision.files.durable import sync_folder, write_durably, writing_to
from kelvin_provision.settings.model import TrustSettings
from kelvin_provision.trust.key_files import public_key
from kelvin_provision.trust.public_keys import PublicKey
from kelvin_provision.trust.trusted import inspected

FOLDER = "keys"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


@dataclass(frozen=True)
class KeyCopy:
    """A key and where it is to be. `before` is the id of the other key that is there now; `is_trusted`: nothing is to be done."""

    key: PublicKey
    path: Path
    before: str = ""
    is_trusted: bool = False


def copies(files: Sequence[Path], folder: Path, trust: TrustSettings) -> tuple[KeyCopy, ...]:
    """Raises KeyInvalid for a file that is not one public key, and for two keys of one name."""
    known = {trusted.key.key_id: trusted.path for trusted in inspected(trust) if trusted.key}
    entries = [_copy(public_key(path), folder, known) for path in files]
    by_path: dict[Path, KeyCopy] = {}
    for copy in entries:
        other = by_path.setdefault(copy.path, copy)
        if other.key.key_id != copy.key.key_id:
            raise KeyInvalid(f"two different keys are called {copy.key.name}", hint="rename the file of one of them")
    return tuple(by_path.values())


def _copy(key: PublicKey, folder: Path, known: dict[str, Path]) -> KeyCopy:
    if not _NAME.fullmatch(key.name):
        text = f"the name of a key is letters, digits and ._@-, and its file is called {key.name!r}"
        raise KeyInvalid(text, hint="rename the file: signatures are shown with its name")
    if key.key_id in known:
        return KeyCopy(key, known[key.key_id], is_trusted=True)
    path = folder / f"{key.name}.pub"
    before = ""
    if path.exists():
        before = "a file that is no key"
        with suppress(ProvisionError):
            before = public_key(path).key_id
    return KeyCopy(key, path, "" if before == key.key_id else before)


def paths_with(settings: TrustSettings, entries: Sequence[KeyCopy]) -> tuple[Path, ...]:
    """The value of trust.keys with these, too."""
    return tuple(dict.fromkeys((*settings.keys, *(copy.path for copy in entries if not copy.is_trusted))))


def write(entries: Sequence[KeyCopy]) -> Iterator[KeyCopy]:
    """Copy those that are not there; yields each that was written. Raises PermissionRefused, CannotWrite, NoSpace."""
    for copy in entries:
        if copy.is_trusted or _holds(copy):
            continue
        with writing_to(copy.path):
            copy.path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            sync_folder(copy.path.parent.parent)
        write_durably(copy.path, [copy.key.pem], mode=0o644)
        yield copy


def _holds(copy: KeyCopy) -> bool:
    with suppress(OSError):
        return copy.path.read_bytes() == copy.key.pem and not copy.path.is_symlink()
    return False
