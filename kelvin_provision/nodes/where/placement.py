"""Which images each member shall have: those of the pods that it may run."""

from __future__ import annotations

from collections.abc import Iterable

from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.nodes import places
from kelvin_provision.ledger.nodes.model import Node
from kelvin_provision.spec.lock import ImageLock


class Placed:
    """As the ledger has it. A member that is no node of the cluster yet gets everything: so it has all that it may be asked to run."""

    def images(self, ledger: Ledger, node: Node) -> Iterable[ImageLock]:
        names = places.images_of(ledger, node.cluster_node) if node.cluster_node else None
        return (
            lock
            for lock in ledger.kept_locks(sound_only=True)
            if node.platform.accepts(lock.platform) and (names is None or lock.name in names)
        )
