"""How far each image of a workload is, and where its bytes came from: from the ledger, the sizes of files, and what the agent does now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kelvin_provision.spec.images import images_of
from kelvin_provision.staging import origins

if TYPE_CHECKING:
    from kelvin_provision.ledger.ledger import Ledger
    from kelvin_provision.ledger.model import Revision, Workload
    from kelvin_provision.spec.lock import ImageLock
    from kelvin_provision.staging.origins import Origin
    from kelvin_provision.store import Store

Tasks = Mapping[str, Mapping[str, Any]]
"""What the living agent says of its tasks (`verb`, `rate`), by the image's reference."""


@dataclass(frozen=True)
class Arrival:
    """One image. Bytes are those in the store, compressed; `size` is None while it is not known, or where the cluster pulls it itself.

    `cached`, `taken` (from containerd) and `fetched` say where the layers that are here came from; None where nobody noted it.
    """

    image: str
    version: str
    reference: str
    """As it was asked for: what the agent calls its task."""
    pulled: bool = False
    size: int | None = None
    here: int = 0
    cached: int | None = None
    taken: int | None = None
    fetched: int | None = None
    verb: str = ""
    rate: int = 0

    @property
    def whole(self) -> bool:
        """Whether all of it is here."""
        return self.size is not None and self.here >= self.size

    @property
    def seconds_left(self) -> int | None:
        """At the rate of now; None while nothing comes."""
        return None if self.size is None or not self.rate or self.whole else (self.size - self.here) // self.rate

    @property
    def source(self) -> str | None:
        """Where it came from, or where the rest comes from, in one word; None where nobody knows."""
        if self.pulled:
            return "cluster"
        if self.size is None or (self.whole and self.fetched is None):
            return None
        if self.fetched or not self.whole:
            return "network"
        return "containerd" if self.taken else "cache"

    def to_json(self) -> dict[str, Any]:
        """An object of the key `images`."""
        return {
            "image": self.image,
            "app_version": self.version,
            "source": self.source,
            "size": self.size,
            "here": self.here,
            "cached": self.cached,
            "taken": self.taken,
            "fetched": self.fetched,
            "doing": self.verb or None,
            "rate": self.rate,
            "seconds_left": self.seconds_left,
        }


def of(ledger: Ledger, store: Store, workload: Workload, tasks: Tasks) -> tuple[Arrival, ...]:
    """Of every image of the running version and of the staged one."""
    found: list[Arrival] = []
    for revision in (workload.running, workload.staged):
        if revision is None:
            continue
        found += staged(ledger, store, revision, tasks if revision is workload.staged else {})
        if revision.locks is None:
            pulled = not revision.spec.method.staged
            found += [Arrival(image, revision.spec.app_version, image, pulled=pulled) for image in images_of(revision.spec)]
    return tuple(found)


def staged(ledger: Ledger, store: Store, revision: Revision, tasks: Tasks) -> list[Arrival]:
    """Of every image of one revision, once they are known."""
    known = origins.origins_of(ledger, revision) if revision.locks else {}
    return [_arrival(lock, store, revision, known.get(lock.name), tasks) for lock in revision.locks or ()]


def _arrival(lock: ImageLock, store: Store, revision: Revision, origin: Origin | None, tasks: Tasks) -> Arrival:
    here, size = store.progress([lock])
    task = tasks.get(str(lock.reference), {})
    fetched = max(origins.layer_bytes(lock, store)[0] - origin.cached - origin.copied, 0) if origin else None
    return Arrival(
        lock.pinned_reference,
        revision.spec.app_version,
        str(lock.reference),
        size=size,
        here=here,
        cached=origin.cached if origin else None,
        taken=origin.copied if origin else None,
        fetched=fetched,
        verb=str(task.get("verb") or ""),
        rate=int(task.get("rate") or 0),
    )
