"""Garbage collection: images that no kept revision needs leave the runtime and the store."""

from __future__ import annotations

from collections.abc import Callable

from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.runtimes.protocol import Runtime
from kelvin_provision.store import Store


def collect_garbage(ledger: Ledger, store: Store, runtime: Callable[[], Runtime]) -> int:
    """Free images that no kept revision needs any more; returns the bytes freed in the store. What a container uses stays till later."""
    gone = ledger.unneeded_images()
    for lock in gone:
        runtime().remove(lock)
        store.untag(lock)
    owned = runtime().owned() if gone else frozenset()
    for lock in gone:
        if lock.name not in owned and lock.config.digest not in owned:
            ledger.forget_image(lock)
    return store.collect_garbage(ledger.kept_locks())
