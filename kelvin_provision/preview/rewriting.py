"""What was made of a request so that it starts without a network: tags to digests, pull policies, this node. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kelvin_provision.cluster.plan import describe
from kelvin_provision.ledger.model import Revision
from kelvin_provision.spec.diff.fields import Field, compare, flat, leaves
from kelvin_provision.spec.workload import Object

OFFLINE = ("image", "imagePullPolicy", "nodeSelector", "imagePullSecrets", "reference")
"""The last words of the paths that are rewritten; the rest of what is added are labels and defaults."""


@dataclass(frozen=True)
class Rewritten:
    """One field of one object, as the request says it and as it is applied."""

    object: str
    field: Field


def rewritten(revision: Revision, objects: Sequence[Object]) -> Iterator[Rewritten]:
    """What differs from the request. Where the request says only an image, that is all there is to rewrite."""
    if not revision.locks:
        return
    given = {describe(item): item for item in revision.spec.manifests}
    for item in objects:
        what = describe(item)
        if what in given:
            for field in compare(given[what], item):
                yield from (Rewritten(what, leaf) for leaf in leaves(field) if _is_offline(leaf.path))
        elif revision.spec.image:
            names = {lock.pinned_reference for lock in revision.locks} | {lock.config.digest for lock in revision.locks}
            found = ((path, value) for path, value in flat(item) if path.endswith(".image") and value in names)
            yield from (Rewritten(what, Field(path, revision.spec.image, value)) for path, value in found)


def _is_offline(path: str) -> bool:
    return any(word in path.replace("[", ".").split(".") for word in OFFLINE)
