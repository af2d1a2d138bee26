"""What a person names to be revoked: keys by file or id, bundles and images by digest."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from kelvin_provision.errors import UsageRefused
from kelvin_provision.trust.key_files import public_key

_HEX = re.compile(r"[0-9a-f]{64}")
_DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{64})|(sha512:[0-9a-f]{128})")


def key_ids(names: Iterable[str]) -> tuple[str, ...]:
    """Each once. Raises KeyInvalid for what is neither an id nor the file of a public key."""
    ids = [name.strip().lower() if _HEX.fullmatch(name.strip().lower()) else public_key(Path(name)).key_id for name in names]
    return tuple(dict.fromkeys(ids))


def digests(names: Iterable[str]) -> tuple[str, ...]:
    """Each once; without an algorithm they are SHA-256, as they are read out. Raises UsageRefused."""
    whole = []
    for name in names:
        match = _DIGEST.fullmatch(name.strip().lower())
        if match is None:
            raise UsageRefused(f"{name!r} is not a digest", hint="give the whole of it, such as sha256: and 64 hexadecimal digits")
        whole.append(match[2] or f"sha256:{match[1]}")
    return tuple(dict.fromkeys(whole))
