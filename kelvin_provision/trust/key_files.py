"""Files with keys, given by a person: made, and read with care. A private one is for its owner alone, and is never overwritten."""

from __future__ import annotations

import base64
import os
import stat
from pathlib import Path

from kelvin_provision.errors import CannotWrite, KeyInvalid
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.durable import read_regular, sync_folder, write_durably, writing_to
from kelvin_provision.hints import system
from kelvin_provision.trust.computing import ask
from kelvin_provision.trust.public_keys import LARGEST, InvalidKey, PublicKey, is_private, public_key_of_der, public_key_of_pem
from kelvin_provision.trust.signing import PrivateKey, public_key_of
from kelvin_provision.trust.trusted import name_of

_OTHERS = 0o077


@dataclass(frozen=True)
class KeyPair:
    private: Path
    public: Path
    key: PublicKey


@dataclass(frozen=True)
class ShownKey:
    """`private`: the file has the private key, too. `protected`: under a passphrase."""

    key: PublicKey
    private: bool
    protected: bool


def generate(base: Path, kind: str, passphrase: str = "") -> KeyPair:
    """A new pair, in BASE.key and BASE.pub. Raises CannotWrite if there is one of them, NoSpace, ..., Locked, ApiMissing."""
    private, public = base.with_name(f"{base.name}.key"), base.with_name(f"{base.name}.pub")
    for path in (private, public):
        if os.path.lexists(path):
            raise CannotWrite(f"{path} is there already, and a key is never overwritten", hint="choose another name")
    answer = ask("generate", {"type": kind, "passphrase": passphrase}, purpose="make a key")
    key = public_key_of_der(base64.b64decode(answer["public"]), base.name)
    _write_new(private, answer["private"].encode())
    write_durably(public, [key.pem], mode=0o644)
    return KeyPair(private, public, key)


def _write_new(path: Path, data: bytes) -> None:
    with writing_to(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def private_key(path: Path, passphrase: str = "") -> PrivateKey:
    """Raises KeyInvalid for a file that is not a private key, or that others can read."""
    return _private(path, *_content(path), passphrase)


def _private(path: Path, data: bytes, status: os.stat_result, passphrase: str) -> PrivateKey:
    if not is_private(data):
        raise KeyInvalid(f"{path}: it is not a private key in PEM (PKCS#8)")
    if status.st_mode & _OTHERS:
        mode = stat.S_IMODE(status.st_mode)
        raise KeyInvalid(f"{path}: others can read this private key (mode {mode:04o})", hint=system("chmod", "600", str(path)))
    return PrivateKey(path, data, passphrase)


def is_protected(path: Path) -> bool:
    """Whether a private key needs a passphrase. Raises KeyInvalid."""
    return _is_protected(_content(path)[0])


def public_key(path: Path) -> PublicKey:
    """Raises KeyInvalid."""
    return _public(path, _content(path)[0])


def _public(path: Path, data: bytes) -> PublicKey:
    try:
        return public_key_of_pem(data, name_of(path))
    except InvalidKey as error:
        raise KeyInvalid(f"{path}: {error}") from error


def shown(path: Path, passphrase: str = "") -> ShownKey:
    """The key in the file, private or public. Raises KeyInvalid, Locked, ApiMissing."""
    data, status = _content(path)
    if not is_private(data):
        return ShownKey(_public(path, data), private=False, protected=False)
    key = public_key_of(_private(path, data, status, passphrase), name_of(path))
    return ShownKey(key, private=True, protected=_is_protected(data))


def _is_protected(data: bytes) -> bool:
    return b"ENCRYPTED" in data


def _content(path: Path) -> tuple[bytes, os.stat_result]:
    try:
        return read_regular(path, LARGEST + 1, links=True)
    except OSError as error:
        raise KeyInvalid(f"{path}: {(error.strerror or str(error)).lower()}") from error
