"""Which images each member shall have: those of the pods that it may run, in the variants for its platform."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.nodes import places
from kelvin_provision.ledger.nodes.model import Node
from kelvin_provision.refs import Platform, Reference
from kelvin_provision.spec.lock import ImageLock, every_variant


class Placed:
    """As the ledger has it. A member that is no node of the cluster yet gets everything: so it has all that it may be asked to run."""

    def images(self, ledger: Ledger, node: Node, kept: Sequence[ImageLock]) -> Iterable[ImageLock]:
        """See `wanting.Placement`."""
        names = places.images_of(ledger, node.cluster_node) if node.cluster_node else None
        return best_variants((lock for lock in kept if names is None or lock.name in names), node.platform)

    def basis(self, ledger: Ledger) -> object:
        """See `wanting.Placement`."""
        return places.needed_images(ledger)


def best_variants(locks: Iterable[ImageLock], platform: Platform) -> tuple[ImageLock, ...]:
    """Of each name the one that runs best on this platform, which is what its runtime takes from the index, and nothing of the others."""
    best: dict[tuple[str, Reference], ImageLock] = {}
    for lock in every_variant(locks):
        if platform.accepts(lock.platform):
            key = lock.name, lock.reference
            known = best.setdefault(key, lock)
            if platform.closeness(lock.platform) > platform.closeness(known.platform):
                best[key] = lock
    return tuple(replace(lock, variants=()) if lock.variants else lock for lock in best.values())
