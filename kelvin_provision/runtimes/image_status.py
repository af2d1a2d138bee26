"""How images stand in containerd, read from two tables of `ctr` for all of them at once. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kelvin_provision.refs import Platform
from kelvin_provision.runtimes.ctr import Answer
from kelvin_provision.runtimes.protocol import USABLE, ImageStatus
from kelvin_provision.spec.lock import ImageLock

PINNED = "io.cri-containerd.pinned"
OURS = "kelvin-provision/image"


def sights(locks: Sequence[ImageLock], checked: Answer, listed: Answer) -> Mapping[str, ImageStatus]:
    """`images check` says what is whole, `images ls` labels and platform; rows are read whatever the exit codes are."""
    whole = {row.get("REF", ""): row for row in checked.rows()}
    listing = {row.get("REF", ""): row for row in listed.rows()}
    return {lock.name: _sight(lock, whole.get(lock.name), listing.get(lock.name, {})) for lock in locks}


def _sight(lock: ImageLock, row: Mapping[str, str] | None, listed: Mapping[str, str]) -> ImageStatus:
    if row is None:
        return ImageStatus("absent")
    labels = dict(part.partition("=")[::2] for part in listed.get("LABELS", "").split(","))
    return ImageStatus(
        _state(lock, row, listed.get("PLATFORMS", "")), labels.get(PINNED) == "pinned", labels.get(OURS) == lock.config.digest
    )


def standing(lock: ImageLock, row: Mapping[str, str]) -> str:
    """`complete`, `unpacked` (snapshot without content), `other digest` or `incomplete`, by a row of `images check`.

    A name may point anywhere, so the digest is compared here. What it is made for stands elsewhere.
    """
    if row.get("DIGEST") != lock.root.digest:
        return "other digest"
    if row.get("STATUS", "").startswith("complete"):
        return "complete"
    return "unpacked" if row.get("UNPACK_FACTOR") == "true" else "incomplete"


def _state(lock: ImageLock, row: Mapping[str, str], platforms: str) -> str:
    state = standing(lock, row)
    made_for = [_platform(text) for text in platforms.split(",") if "/" in text]
    if state in USABLE and made_for and not any(_same(lock.platform, one) for one in made_for):
        return "other platform"
    return state


def _platform(text: str) -> Platform:
    system, architecture, *variant = text.strip().split("/")
    return Platform(system, architecture, variant[0] if variant else "")


def _same(one: Platform, other: Platform) -> bool:
    return (one.os, one.architecture) == (other.os, other.architecture)
