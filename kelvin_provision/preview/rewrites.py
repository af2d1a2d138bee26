"""What was changed in the objects of a request so that they start without a network: digests, pull policies, node. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kelvin_provision.cluster.plan import describe
from kelvin_provision.ledger.model import Revision
from kelvin_provision.spec.diff.fields import Field, compare, flat, leaves
from kelvin_provision.spec.workload import Object

OFFLINE = ("image", "imagePullPolicy", "nodeSelector", "imagePullSecrets", "reference")
"""Fields that are rewritten for offline use; everything else that is added are labels and defaults."""


@dataclass(frozen=True)
class Rewrite:
    """A field of an object, as in the request and as it is applied."""

    object: str
    field: Field


def rewrites(revision: Revision, objects: Sequence[Object]) -> Iterator[Rewrite]:
    """Differences to the request. A request with an image only has only the image rewritten."""
    if not revision.locks:
        return
    given = {describe(item): item for item in revision.spec.manifests}
    for item in objects:
        what = describe(item)
        if what in given:
            for field in compare(given[what], item):
                yield from (Rewrite(what, leaf) for leaf in leaves(field) if _is_offline(leaf.path))
        elif revision.spec.image:
            names = {lock.pinned_reference for lock in revision.locks} | {lock.config.digest for lock in revision.locks}
            images = ((path, value) for path, value in flat(item) if path.endswith(".image") and value in names)
            yield from (Rewrite(what, Field(path, revision.spec.image, value)) for path, value in images)


def _is_offline(path: str) -> bool:
    return any(word in path.replace("[", ".").split(".") for word in OFFLINE)
