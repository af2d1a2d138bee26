"""What a runtime calls an imported image by. Pure, and the only place that knows it (ADR 0035)."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from kelvin_provision.spec.lock import ImageLock


class Identity(StrEnum):
    """`NAME`: containerd. `ROOT`: Docker Engine with the containerd image store. `CONFIG`: Docker Engine with its own image store."""

    NAME = "name"
    ROOT = "root"
    CONFIG = "config"

    def of(self, lock: ImageLock) -> str:
        """`host/repository@sha256:...`, the digest of the manifest or index that the name stands for, or that of the config."""
        return {Identity.NAME: lock.name, Identity.ROOT: lock.root.digest, Identity.CONFIG: lock.config.digest}[self]


COARSEST = Identity.CONFIG
"""Two locks that are one image in any runtime have this identity in common: the same config under another name or manifest."""


def identities(lock: ImageLock) -> frozenset[str]:
    """In all runtimes. A name is no digest, and no two documents have the same one: none of these can stand for another image."""
    return frozenset(identity.of(lock) for identity in Identity)


def is_among(lock: ImageLock, images: Collection[str]) -> bool:
    """Whether the image is one of these, whichever runtime they are from."""
    return not identities(lock).isdisjoint(images)
