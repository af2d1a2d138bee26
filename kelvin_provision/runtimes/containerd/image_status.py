"""The status of images in containerd, from two tables of `ctr` for all of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kelvin_provision.refs import Platform
from kelvin_provision.runtimes.containerd.ctr import Result
from kelvin_provision.runtimes.protocol import USABLE, ImageStatus
from kelvin_provision.spec.lock import ImageLock

PINNED = "io.cri-containerd.pinned"
OURS = "kelvin-provision/image"
"""Our label; its value is the digest of the config."""


def image_statuses(locks: Sequence[ImageLock], checked: Result, listed: Result) -> Mapping[str, ImageStatus]:
    """`checked` is `images check`, with content and digests; `listed` is `images ls`, with labels and platforms.

    The exit code of `images check` is 1 when a blob is missing, so rows are read whatever it is.
    """
    check_rows = {row.get("REF", ""): row for row in checked.rows()}
    list_rows = {row.get("REF", ""): row for row in listed.rows()}
    return {lock.name: _status(lock, check_rows.get(lock.name), list_rows.get(lock.name, {})) for lock in locks}


def _status(lock: ImageLock, check_row: Mapping[str, str] | None, list_row: Mapping[str, str]) -> ImageStatus:
    if check_row is None:
        return ImageStatus("absent")
    labels = labels_of(list_row)
    state = _state(lock, check_row, list_row.get("PLATFORMS", ""))
    return ImageStatus(state, labels.get(PINNED) == "pinned", labels.get(OURS) == lock.config.digest)


def labels_of(row: Mapping[str, str]) -> dict[str, str]:
    return dict(label.partition("=")[::2] for label in row.get("LABELS", "").split(","))


def content_state(lock: ImageLock, row: Mapping[str, str]) -> str:
    """`complete`, `unpacked` (snapshot without content), `other digest` or `incomplete`, from a row of `images check`.

    The digest is compared, as a name may point to anything. The platform is not in this table.
    """
    if row.get("DIGEST") != lock.root.digest:
        return "other digest"
    if row.get("STATUS", "").startswith("complete"):
        return "complete"
    return "unpacked" if row.get("UNPACKED") == "true" else "incomplete"


def _state(lock: ImageLock, check_row: Mapping[str, str], platforms: str) -> str:
    state = content_state(lock, check_row)
    image_platforms = [_platform(text) for text in platforms.split(",") if "/" in text]
    if state in USABLE and image_platforms and not any(_same(lock.platform, platform) for platform in image_platforms):
        return "other platform"
    return state


def _platform(text: str) -> Platform:
    system, architecture, *variant = text.strip().split("/")
    return Platform(system, architecture, variant[0] if variant else "")


def _same(platform: Platform, other: Platform) -> bool:
    return (platform.os, platform.architecture) == (other.os, other.architecture)
