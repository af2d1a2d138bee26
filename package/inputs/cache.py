"""Files that were fetched, by their SHA-256, and trees made of them; shared by all builds of a user."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kelvin-provision-package"


class WrongContentError(Exception):
    """What came is not what the lock names."""


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cached(name: str, digest: str, fetch: Callable[[], Path]) -> Path:
    """The file with this digest; fetched if it is not there, or is damaged."""
    place = CACHE / "files" / f"{digest[:16]}-{name}"
    if place.is_file() and sha256(place) == digest:
        return place
    came = fetch()
    if (actual := sha256(came)) != digest:
        raise WrongContentError(f"{name}: the lock has sha256 {digest}, and {actual} came; if it is right, renew it: make package-lock")
    place.parent.mkdir(parents=True, exist_ok=True)
    return came.replace(place)
