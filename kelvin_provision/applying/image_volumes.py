"""Paths that images declare as VOLUME. In a pod, such data is lost with its container, even at a restart; on Docker it is kept."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from kelvin_provision.spec.images import Slot, slots

if TYPE_CHECKING:
    from kelvin_provision.applying.target import Target
    from kelvin_provision.spec.lock import ImageLock
    from kelvin_provision.store.store import Store

ONCE = frozenset({"Job", "CronJob"})
"""Kinds whose containers end: nothing is expected to stay of them."""


class LostVolume(NamedTuple):
    """A path of a container that nothing is mounted at."""

    workload: str
    path: str
    image: str

    def __str__(self) -> str:
        lost = "data written there is lost with the container"
        return f"{self.workload}: {self.path} is a VOLUME of {self.image}, and {lost}; mount a persistent volume there"


def lost_volumes(store: Store, targets: Sequence[Target]) -> Iterator[LostVolume]:
    """Of the pods of staged revisions; each path once."""
    for target in targets:
        declared = {lock.pinned_reference: (str(lock.reference), _declared(store, lock)) for lock in target.revision.locks or ()}
        volumes = (
            LostVolume(target.name, path, image)
            for item in target.objects
            if item.get("kind") not in ONCE
            for slot in slots(item)
            if "containers" in slot.path
            for image, paths in [declared.get(str(slot.image), ("", ()))]
            for path in paths
            if path not in _mounted(slot)
        )
        yield from dict.fromkeys(volumes)


def _mounted(slot: Slot) -> set[str]:
    mounts: Any = slot.parent.get("volumeMounts")
    return {_absolute(str(mount.get("mountPath"))) for mount in mounts or () if isinstance(mount, dict)}


def _declared(store: Store, lock: ImageLock) -> tuple[str, ...]:
    """From the config in the store; none if it is missing or malformed."""
    try:
        document = json.loads(store.path(lock.config).read_bytes())
    except (OSError, ValueError):
        return ()
    config = document.get("config") if isinstance(document, Mapping) else None
    volumes = config.get("Volumes") if isinstance(config, Mapping) else None
    return tuple(_absolute(path) for path in volumes) if isinstance(volumes, Mapping) else ()


def _absolute(path: str) -> str:
    return posixpath.normpath(f"/{path.lstrip('/')}")
