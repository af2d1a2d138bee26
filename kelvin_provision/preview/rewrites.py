"""What was changed in the objects of a request so that they start here, without a network: digests, node, references. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kelvin_provision.cluster.plan import describe
from kelvin_provision.ledger.model.workloads import Revision
from kelvin_provision.spec.diff.fields import Field, compare, flat, leaves
from kelvin_provision.spec.identity import identities
from kelvin_provision.spec.workload import Object

OFFLINE = ("image", "imagePullPolicy", "nodeSelector", "imagePullSecrets", "reference", "subjects", "clientConfig")
"""Fields that are rewritten for offline use, and references that follow an object to its namespace.

Everything else that is added are labels and defaults.
"""


@dataclass(frozen=True)
class Rewrite:
    """A field of an object, as in the request and as it is applied."""

    object: str
    field: Field


def rewrites(revision: Revision, objects: Sequence[Object]) -> Iterator[Rewrite]:
    """Differences to the request. A request with an image only has only the image rewritten."""
    if not revision.locks:
        return
    given = _by_name(revision.spec.manifests)
    for item in objects:
        what = describe(item)
        if what in given:
            for field in compare(given[what], item):
                yield from (Rewrite(what, leaf) for leaf in leaves(field) if _is_offline(leaf.path))
        elif revision.spec.image:
            names = {lock.pinned_reference for lock in revision.locks}.union(*map(identities, revision.locks))
            images = ((path, value) for path, value in flat(item) if path.endswith(".image") and value in names)
            yield from (Rewrite(what, Field(path, revision.spec.image, value)) for path, value in images)


def _by_name(manifests: Sequence[Object]) -> dict[str, Object]:
    """Under the names of the rendered objects, which have a namespace unless it is the box's."""
    named = {describe(item): item for item in manifests if _namespace(item)}
    elsewhere = {f"{item.get('kind')}/{_namespace(item)}/{item['metadata'].get('name')}": item for item in manifests if _namespace(item)}
    return named | elsewhere | {describe(item): item for item in manifests if not _namespace(item)}


def _namespace(item: Object) -> str:
    return str((item.get("metadata") or {}).get("namespace") or "")


def _is_offline(path: str) -> bool:
    return any(word in path.replace("[", ".").split(".") for word in OFFLINE)
