"""From where pods may run to the images that each node needs. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from kelvin_provision.cluster.nodes import Place
from kelvin_provision.ledger.nodes.model import PlaceRow
from kelvin_provision.spec.lock import ImageLock


def needs(locks: Sequence[ImageLock], places: Sequence[Place], site: Collection[str]) -> frozenset[PlaceRow]:
    """`site` are the nodes that are brought images, by their names in the cluster, of any platform: each gets its own variant.

    An image that no container names, because a text names it or an operator starts it, is needed on each of them.
    """
    rows = frozenset(_of_places(locks, places, site))
    named = {image for place in places for image in place.images}
    rest = [lock for lock in locks if lock.pinned_reference not in named]
    return rows | {PlaceRow(node, lock.name) for lock in rest for node in site}


def _of_places(locks: Sequence[ImageLock], places: Sequence[Place], site: Collection[str]) -> Iterator[PlaceRow]:
    by_reference = {lock.pinned_reference: lock for lock in locks}
    for place in places:
        images = [by_reference[image] for image in place.images if image in by_reference]
        for node in place.nodes:
            if node in site:
                yield from (PlaceRow(node, lock.name, place.mark) for lock in images)
