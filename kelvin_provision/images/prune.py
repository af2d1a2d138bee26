"""Prune: remove what no kept revision needs, from the store and, if this program imported it, from the runtime.

Planning changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kelvin_provision.errors import ProvisionError
from kelvin_provision.images import local_names
from kelvin_provision.images.inventory import orphans as find_orphans
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.media import kept
from kelvin_provision.quantity import NO_HEADROOM
from kelvin_provision.runtimes.protocol import ImageStorage, Runtime
from kelvin_provision.spec.identity import is_among
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.staging import space
from kelvin_provision.store import Store


@dataclass(frozen=True)
class PrunePlan:
    """Images to remove from the runtime, and bytes to free: exact for the store, an estimate for the runtime.

    With a `runtime_error` only the store is pruned. `revisions`: those that can then no longer be rolled back to, by workload and number;
    the setting keep_revisions was larger when they ran.
    """

    revisions: tuple[tuple[str, int], ...] = ()
    images: tuple[ImageLock, ...] = ()
    orphans: tuple[str, ...] = ()
    store_bytes: int = 0
    runtime_bytes: int = 0
    runtime_error: ProvisionError | None = None

    @property
    def empty(self) -> bool:
        return not (self.revisions or self.images or self.orphans or self.store_bytes)

    def to_json(self) -> dict[str, Any]:
        return {
            "revisions": [{"name": name, "revision": number} for name, number in self.revisions],
            "images": [*(str(lock.reference) for lock in self.images), *self.orphans],
            "store_bytes": self.store_bytes,
            "runtime_bytes": self.runtime_bytes,
            "warnings": list(self.warnings),
        }

    @property
    def warnings(self) -> tuple[str, ...]:
        return (f"images in the runtime are left as they are: {self.runtime_error}",) if self.runtime_error else ()


@dataclass(frozen=True)
class Freed:
    """Bytes freed in the store, and the images that stay in the runtime: a container uses them, or they have a name that is not ours."""

    store_bytes: int
    still_in_runtime: frozenset[str]


def plan(ledger: Ledger, store: Store, runtime: Callable[[], Runtime], *, keep: int, orphans: bool) -> PrunePlan:
    """With `orphans`, also images with our label that this ledger does not know, such as those of a deleted state directory."""
    needed, beyond = ledger.kept_locks(keep=keep), ledger.beyond(keep)
    store_bytes, unneeded = store.reclaimable(needed, quarantined=True), ledger.unneeded_images(keep=keep)
    try:
        owned, storage = runtime().owned(), runtime().storage()
    except ProvisionError as error:
        return PrunePlan(beyond, store_bytes=store_bytes, runtime_error=error)
    images = tuple(lock for lock in unneeded if is_among(lock, owned))
    unknown = find_orphans(ledger.known_images(), owned) if orphans else ()
    return PrunePlan(beyond, images, unknown, store_bytes, _runtime_bytes(images, needed, store, storage))


def _runtime_bytes(locks: tuple[ImageLock, ...], needed: tuple[ImageLock, ...], store: Store, storage: ImageStorage) -> int:
    """The space that these images use in the runtime and share with no kept image."""
    filesystems = space.survey(store.root, ImageStorage(storage.unpacked, storage.compressed), NO_HEADROOM)
    requests = space.space_requests(locks, filesystems, present=lambda blob: blob.size, loaded=needed, record=store.deltas.of)
    return sum(request.bytes for request in requests)


def carry_out(plan: PrunePlan, ledger: Ledger, store: Store, runtime: Callable[[], Runtime], *, keep: int) -> Freed:
    """The caller holds the operator lock. The store is freed even where the runtime does not answer."""
    ledger.forget_beyond(keep)
    ledger.forget_verdicts()
    _forget_bundles(ledger, store)
    freed = store.collect_garbage(ledger.kept_locks(), quarantined=True)
    if plan.runtime_error is not None:
        return Freed(freed, frozenset())
    for name in plan.orphans:
        runtime().remove_owned(name)
    freed += collect_garbage(ledger, store, runtime)
    owned = runtime().owned()
    in_use = [lock.name for lock in plan.images if is_among(lock, owned)]
    return Freed(freed, frozenset([*in_use, *(name for name in plan.orphans if name in owned)]))


def collect_garbage(ledger: Ledger, store: Store, runtime: Callable[[], Runtime]) -> int:
    """Remove names and images that no kept revision needs; returns the bytes freed in the store.

    An image that a container uses, or that is being downloaded, stays for later. Reads nothing more where no revision was dropped since
    all was freed.
    """
    local_names.tidy(ledger, runtime)
    garbage = ledger.garbage()
    if garbage is None:
        return 0
    unneeded = ledger.unneeded_images()
    for lock in unneeded:
        runtime().remove(lock)
        store.untag(lock)
    owned = runtime().owned() if unneeded else frozenset()
    for lock in unneeded:
        if not is_among(lock, owned):
            ledger.forget_image(lock)
    ledger.forget_verdicts()
    _forget_bundles(ledger, store)
    busy = store.is_leased()
    freed = store.collect_garbage(ledger.kept_locks())
    if not busy and not ledger.unneeded_images():
        ledger.no_garbage(garbage)
    return freed


def _forget_bundles(ledger: Ledger, store: Store) -> None:
    """Those that nothing on this box came from any more, with their tables of contents. In one transaction, as an import stores them."""
    if ledger.unneeded_bundles():
        with ledger.writing():
            ledger.forget_bundles()
            kept.forget_others(store.root, {bundle.digest for bundle in ledger.bundles()})
