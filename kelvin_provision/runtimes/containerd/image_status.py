"""The status of images in containerd, from two tables of `ctr` for all of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kelvin_provision.refs import Platform
from kelvin_provision.runtimes.containerd.ctr import Result
from kelvin_provision.runtimes.protocol import USABLE, ImageStatus
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.rebuilt import ORIGINAL

PINNED = "io.cri-containerd.pinned"
OURS = "kelvin-provision/image"
"""Our label; its value is the digest of the config."""

LOCAL = "kelvin-provision/local"
"""Beside the label ORIGINAL, on a name that stands for a local manifest: the digest of that, which the name may have left since."""


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
    root = check_row.get("DIGEST", "")
    state = _state(lock, check_row, original_of(root, labels), list_row.get("PLATFORMS", ""))
    return ImageStatus(state, labels.get(PINNED) == "pinned", labels.get(OURS) == lock.config.digest)


def labels_of(row: Mapping[str, str]) -> dict[str, str]:
    return dict(label.partition("=")[::2] for label in row.get("LABELS", "").split(","))


def original_of(target: str, labels: Mapping[str, str]) -> str:
    """The digest of the original for a name that stands for a local manifest of ours, else what it stands for."""
    return labels.get(ORIGINAL) or target if labels.get(LOCAL) == target else target


def content_state(lock: ImageLock, row: Mapping[str, str], root: str) -> str:
    """`complete`, `unpacked` (snapshot without content), `other digest` or `incomplete`, from a row of `images check`.

    `root`: what the name stands for, which is compared, as that may be anything. The platform is not in this table.
    """
    if root != lock.root.digest:
        return "other digest"
    if row.get("STATUS", "").startswith("complete"):
        return "complete"
    return "unpacked" if row.get("UNPACKED") == "true" else "incomplete"


def _state(lock: ImageLock, check_row: Mapping[str, str], root: str, platforms: str) -> str:
    state = content_state(lock, check_row, root)
    image_platforms = [_platform(text) for text in platforms.split(",") if "/" in text]
    if state in USABLE and image_platforms and not any(_same(lock.platform, platform) for platform in image_platforms):
        return "other platform"
    return state


def _platform(text: str) -> Platform:
    system, architecture, *variant = text.strip().split("/")
    return Platform(system, architecture, variant[0] if variant else "")


def _same(platform: Platform, other: Platform) -> bool:
    return (platform.os, platform.architecture) == (other.os, other.architecture)
