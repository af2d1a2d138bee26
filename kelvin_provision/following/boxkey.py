"""The key of this box, with which it signs what it reports: Ed25519, made when it is needed first, never leaving this box."""

from __future__ import annotations

import os
from pathlib import Path

from kelvin_provision.errors import CannotWrite
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.durable import private_folder, rename_durably, write_durably
from kelvin_provision.files.lock import exclusive
from kelvin_provision.trust.key_files import generate, private_key, public_key
from kelvin_provision.trust.public_keys import PublicKey
from kelvin_provision.trust.signing import PrivateKey, public_key_of


@dataclass(frozen=True)
class BoxKey:
    private: PrivateKey
    public: PublicKey


def key_path(state_dir: Path) -> Path:
    return state_dir / "box.key"


def public_path(state_dir: Path) -> Path:
    return state_dir / "box.pub"


def known(state_dir: Path) -> PublicKey | None:
    """The public key, None before it is made. Makes nothing. Raises KeyInvalid."""
    return public_key(public_path(state_dir)) if os.path.lexists(key_path(state_dir)) and os.path.lexists(public_path(state_dir)) else None


def box_key(state_dir: Path) -> BoxKey:
    """Made at the first call. Raises KeyInvalid for one that cannot be read, Locked, ApiMissing, CannotWrite."""
    path, public = key_path(state_dir), public_path(state_dir)
    folder = private_folder(state_dir / "following")
    if not os.path.lexists(path):
        with exclusive(folder / "key.lock", command="making the key of this box"):
            if not os.path.lexists(path):
                _make(folder, path, public)
    private = private_key(path)
    if not os.path.lexists(public):
        write_durably(public, [public_key_of(private, "box").pem], mode=0o644)
    return BoxKey(private, public_key(public))


def _make(folder: Path, path: Path, public: Path) -> None:
    """Whole before it has its name: a power cut leaves no half of a key."""
    draft = folder / f"draft-{os.getpid()}"
    for leftover in (draft.with_name(f"{draft.name}.key"), draft.with_name(f"{draft.name}.pub")):
        leftover.unlink(missing_ok=True)
    try:
        pair = generate(draft, "ed25519", "")
        rename_durably(pair.public, public)
        rename_durably(pair.private, path)
    except OSError as error:
        raise CannotWrite(f"the key of this box cannot be written: {(error.strerror or str(error)).lower()}") from error
