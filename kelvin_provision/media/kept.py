"""Tables of contents that are kept on the box, so that the parts of a bundle may come on several media, in any order."""

from __future__ import annotations

import re
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from kelvin_provision.bundles.contents import decode
from kelvin_provision.bundles.model import Contents
from kelvin_provision.errors import BundleInvalid
from kelvin_provision.files.durable import private_folder, read_own, write_durably
from kelvin_provision.files.hashing import digest_of


def folder(state_dir: Path) -> Path:
    return state_dir / "bundles"


def path(state_dir: Path, digest: str) -> Path:
    return folder(state_dir) / f"{digest.partition(':')[2]}.json"


def keep(state_dir: Path, digest: str, contents: bytes) -> None:
    """Durable when it returns. Only for bytes that were accepted."""
    private_folder(folder(state_dir))
    if _read(state_dir, digest) != contents:
        write_durably(path(state_dir, digest), [contents])


def load(state_dir: Path, digest: str) -> Contents | None:
    """None if the file is missing or was changed: the table can be read from the medium again."""
    data = _read(state_dir, digest)
    if data is None or digest_of(data) != digest:
        return None
    with suppress(BundleInvalid):  # of a version of this program that reads another schema
        return decode(data)
    return None


def _read(state_dir: Path, digest: str) -> bytes | None:
    with suppress(OSError):
        return read_own(path(state_dir, digest))
    return None


def forget_others(state_dir: Path, needed: Collection[str]) -> None:
    """Remove what belongs to no bundle of these digests, and what a power cut left of a write."""
    names = {path(state_dir, digest).name for digest in needed}
    with suppress(OSError):
        for file in folder(state_dir).iterdir():
            if file.name not in names and re.fullmatch(r"[0-9a-f]{64}\.json|\.[0-9a-f]{64}\.json\..*", file.name):
                file.unlink(missing_ok=True)
