"""Every image on this node: where it is, and which revisions need it. From the ledger, file sizes and the runtime."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from kelvin_provision.errors import ProvisionError
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model.workloads import Revision
from kelvin_provision.runtimes.protocol import Runtime, RuntimeInfo
from kelvin_provision.spec.identity import identities, is_among
from kelvin_provision.spec.images import additional_images
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.rebuilt import NO_PLAIN, PlainLayers, local_root
from kelvin_provision.store import Store


@dataclass(frozen=True)
class Use:
    """A revision that needs an image. `slot` is `running`, `staged` or `kept`; `additional`: for its list `images` only."""

    workload: str
    revision: int
    version: str
    slot: str
    additional: bool = False

    def __str__(self) -> str:
        return f"{self.workload} {self.version} ({self.slot}{', additional' if self.additional else ''})"


@dataclass(frozen=True)
class Image:
    """`stored` are bytes in the store, a layer that a delta made with its size as published.

    `loaded` and `pinned` are None if the runtime does not answer.
    `rebuilt`: the layers that the store has without compression, by the digest of the compressed one.
    """

    lock: ImageLock
    uses: tuple[Use, ...]
    stored: int
    loaded: bool | None = None
    pinned: bool | None = None
    rebuilt: PlainLayers = field(default_factory=lambda: NO_PLAIN)

    @property
    def size(self) -> int:
        """Bytes of all its blobs, with those of its variants."""
        return sum(blob.size for blob in self.lock.blobs_of_all())

    @property
    def local(self) -> str | None:
        """The digest of its local manifest, which the runtime has in place of the original's; None without rebuilt layers."""
        return local_root(self.lock, self.rebuilt)[1].digest if self.rebuilt else None


@dataclass(frozen=True)
class Inventory:
    """Sorted by reference. `orphans` are images in the runtime with our label that this ledger does not know."""

    images: tuple[Image, ...]
    orphans: tuple[str, ...] = ()
    info: RuntimeInfo | None = None
    runtime_error: str = ""


def take_inventory(ledger: Ledger, store: Store, connect: Callable[[], Runtime]) -> Inventory:
    """If the runtime does not answer, its error is in `runtime_error`."""
    used_by = uses(ledger)
    locks = sorted(ledger.known_images(sound_only=True), key=lambda lock: (str(lock.reference), lock.name))
    stored = {lock.name: _stored(store, lock) for lock in locks}
    rebuilt = {lock.name: store.plain_layers(lock) for lock in locks}
    try:
        runtime = connect()
        info, owned = runtime.info(), runtime.owned()
        loaded = {lock.name: runtime.has(lock) for lock in locks}
    except ProvisionError as error:
        images = tuple(Image(lock, used_by.get(lock.name, ()), stored[lock.name], rebuilt=rebuilt[lock.name]) for lock in locks)
        return Inventory(images, runtime_error=str(error))
    images = tuple(
        Image(
            lock,
            used_by.get(lock.name, ()),
            stored[lock.name],
            loaded[lock.name],
            pinned=info.pins and is_among(lock, owned),
            rebuilt=rebuilt[lock.name],
        )
        for lock in locks
    )
    return Inventory(images, orphans(locks, owned), info)


def _stored(store: Store, lock: ImageLock) -> int:
    """Bytes of the image that are here. Of a layer that a delta made, the store counts the delta; here it is whole."""
    here, total = store.progress([lock])
    return sum(blob.size for blob in lock.blobs_of_all()) if here == total else here


def orphans(locks: Sequence[ImageLock], owned: frozenset[str]) -> tuple[str, ...]:
    """Images in the runtime with our label that are none of these."""
    return tuple(sorted(owned.difference(*map(identities, locks))))


def uses(ledger: Ledger) -> dict[str, tuple[Use, ...]]:
    """The revisions that need each image, by image name."""
    slots = ledger.slots(ledger.names())
    by_image: dict[str, list[Use]] = {}
    for revision in ledger.each_revision():
        use = Use(
            revision.workload, revision.number, revision.spec.app_version, _slot(revision, *slots.get(revision.workload, (None, None)))
        )
        additional = additional_images(revision.spec)
        images: dict[str, bool] = {}
        for lock in revision.locks or ():
            images[lock.name] = images.get(lock.name, True) and str(lock.reference) in additional
        for name, is_additional in images.items():
            by_image.setdefault(name, []).append(replace(use, additional=is_additional))
    return {name: tuple(each) for name, each in by_image.items()}


def _slot(revision: Revision, running: int | None, staged: int | None) -> str:
    return "running" if revision.number == running else "staged" if revision.number == staged else "kept"
