"""Tables of contents, and hashes of chunks, kept on the box, so that the parts of a bundle may come on several media, in any order."""

from __future__ import annotations

import re
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from kelvin_provision.bundles.contents import decode
from kelvin_provision.bundles.model import Contents
from kelvin_provision.errors import BundleInvalid
from kelvin_provision.files.durable import private_folder, read_own, write_durably
from kelvin_provision.files.hashing import digest_of, has_digest


def folder(state_dir: Path) -> Path:
    return state_dir / "bundles"


def path(state_dir: Path, digest: str) -> Path:
    return folder(state_dir) / f"{digest.partition(':')[2]}.json"


def keep(state_dir: Path, digest: str, contents: bytes) -> None:
    """Durable when it returns. Only for bytes that were accepted."""
    private_folder(folder(state_dir))
    if _read(state_dir, digest) != contents:
        write_durably(path(state_dir, digest), [contents])


def keep_hashes(state_dir: Path, digest: str, hashes: bytes) -> None:
    """Of the chunks of a bundle in parts. Durable when it returns."""
    private_folder(folder(state_dir))
    write_durably(_hashes_path(state_dir, digest), [hashes])


def hashes(state_dir: Path, digest: str, contents: Contents) -> bytes | None:
    """None if the file is missing or was changed."""
    with suppress(OSError):
        data = read_own(_hashes_path(state_dir, digest))
        return data if has_digest(data, contents.chunks.digest) else None
    return None


def _hashes_path(state_dir: Path, digest: str) -> Path:
    return path(state_dir, digest).with_suffix(".chunks")


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
    names = {each.name for digest in needed for each in (path(state_dir, digest), _hashes_path(state_dir, digest))}
    with suppress(OSError):
        for file in folder(state_dir).iterdir():
            if file.name not in names and re.fullmatch(r"[0-9a-f]{64}\.(json|chunks)|\.[0-9a-f]{64}\.(json|chunks)\..*", file.name):
                file.unlink(missing_ok=True)
