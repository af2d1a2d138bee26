"""Prune: free what no kept revision needs, in the store and, of what we brought there, in the runtime. The plan touches nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kelvin_provision.errors import ProvisionError
from kelvin_provision.images import inventory
from kelvin_provision.images.gc import collect_garbage
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.quantity import NO_HEADROOM
from kelvin_provision.runtimes.protocol import ImageStorage, Runtime
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.staging import space
from kelvin_provision.store import Store


@dataclass(frozen=True)
class Plan:
    """Images that go out of the runtime, and bytes: those of the store exactly, those of the runtime as an estimate.

    `trouble` says why the runtime could not be asked; its part is left for another time then.
    """

    images: tuple[ImageLock, ...] = ()
    orphans: tuple[str, ...] = ()
    stored: int = 0
    loaded: int = 0
    trouble: ProvisionError | None = None

    @property
    def empty(self) -> bool:
        """Whether there is nothing to free."""
        return not (self.images or self.orphans or self.stored)


@dataclass(frozen=True)
class Pruned:
    """Bytes freed in the store, and what stayed in the runtime because a container uses it or it has a name that is not ours."""

    stored: int
    stays: frozenset[str]


def plan(ledger: Ledger, store: Store, runtime: Callable[[], Runtime], *, orphans: bool) -> Plan:
    """What would go. With `orphans`, also images with our label that this ledger does not know: of a state folder that is gone."""
    stored, gone = store.reclaimable(ledger.kept_locks(), quarantined=True), ledger.unneeded_images()
    try:
        owned, keeping = runtime().owned(), runtime().storage()
    except ProvisionError as error:
        return Plan(stored=stored, trouble=error)
    there = tuple(lock for lock in gone if lock.name in owned or lock.config.digest in owned)
    lost = inventory.orphans(ledger.known_images(), owned) if orphans else ()
    return Plan(there, lost, stored, _weight(there, ledger.kept_locks(), store, keeping))


def _weight(locks: tuple[ImageLock, ...], kept: tuple[ImageLock, ...], store: Store, keeping: ImageStorage) -> int:
    """Bytes that these images have for themselves in the runtime."""
    filesystems = space.survey(store.root, ImageStorage(keeping.unpacked, keeping.compressed), NO_HEADROOM)
    return sum(request.bytes for request in space.space_requests(locks, filesystems, present=lambda blob: blob.size, loaded=kept))


def carry_out(chosen: Plan, ledger: Ledger, store: Store, runtime: Callable[[], Runtime]) -> Pruned:
    """Do it, under the operator lock. The store is freed even where the runtime does not answer."""
    freed = store.collect_garbage(ledger.kept_locks(), quarantined=True)
    if chosen.trouble is not None:
        return Pruned(freed, frozenset())
    for name in chosen.orphans:
        runtime().remove_owned(name)
    freed += collect_garbage(ledger, store, runtime)
    owned = runtime().owned()
    kept_back = [lock.name for lock in chosen.images if lock.name in owned or lock.config.digest in owned]
    return Pruned(freed, frozenset([*kept_back, *(name for name in chosen.orphans if name in owned)]))
