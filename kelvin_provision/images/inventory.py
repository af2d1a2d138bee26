"""Every image on this box: where it is, and which revision needs it. From ledger, file sizes and the runtime."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kelvin_provision.errors import ProvisionError
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.model import Revision, Workload
from kelvin_provision.runtimes.protocol import Runtime, RuntimeInfo
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.store import Store


@dataclass(frozen=True)
class Use:
    """A revision that needs an image. `slot` is `running`, `staged` or `kept`."""

    workload: str
    revision: int
    version: str
    slot: str

    def __str__(self) -> str:
        return f"{self.workload} {self.version} ({self.slot})"


@dataclass(frozen=True)
class Image:
    """One image. `stored` are its bytes in the store; `loaded` and `pinned` are None where the runtime does not answer."""

    lock: ImageLock
    uses: tuple[Use, ...]
    stored: int
    loaded: bool | None = None
    pinned: bool | None = None


@dataclass(frozen=True)
class Census:
    """All of them by reference. `orphans` are images of the runtime with our label that this ledger does not know."""

    images: tuple[Image, ...]
    orphans: tuple[str, ...] = ()
    info: RuntimeInfo | None = None
    trouble: str = ""


def take(ledger: Ledger, store: Store, runtime: Callable[[], Runtime]) -> Census:
    """Look; a runtime that does not answer is `trouble` and no error."""
    needed = uses(ledger)
    locks = sorted(ledger.known_images(), key=lambda lock: (str(lock.reference), lock.name))
    stored = {lock.name: store.progress([lock])[0] for lock in locks}
    try:
        asked = runtime()
        info, owned = asked.info(), asked.owned()
        loaded = {lock.name: asked.has(lock) for lock in locks}
    except ProvisionError as error:
        return Census(tuple(Image(lock, needed.get(lock.name, ()), stored[lock.name]) for lock in locks), trouble=str(error))
    images = tuple(
        Image(lock, needed.get(lock.name, ()), stored[lock.name], loaded[lock.name], info.pins and _is_owned(lock, owned)) for lock in locks
    )
    return Census(images, orphans(locks, owned), info)


def orphans(known: list[ImageLock] | tuple[ImageLock, ...], owned: frozenset[str]) -> tuple[str, ...]:
    """What carries our label and is none of these."""
    return tuple(sorted(owned - {lock.name for lock in known} - {lock.config.digest for lock in known}))


def uses(ledger: Ledger) -> dict[str, tuple[Use, ...]]:
    """Who needs what, by image name."""
    slots = {found.name: found for found in ledger.workloads()}
    found: dict[str, tuple[Use, ...]] = {}
    for revision in ledger.revisions():
        use = Use(revision.workload, revision.number, revision.spec.app_version, _slot(revision, slots.get(revision.workload)))
        for name in {lock.name for lock in revision.locks or ()}:
            found[name] = (*found.get(name, ()), use)
    return found


def _slot(revision: Revision, workload: Workload | None) -> str:
    for name, slot in (("running", workload and workload.running), ("staged", workload and workload.staged)):
        if slot and slot.number == revision.number:
            return name
    return "kept"


def _is_owned(lock: ImageLock, owned: frozenset[str]) -> bool:
    return lock.name in owned or lock.config.digest in owned
