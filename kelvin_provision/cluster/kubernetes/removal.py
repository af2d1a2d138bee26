"""Deletes the objects of a workload, those of unknown kinds first, and waits until they are gone.

An object of a custom kind may have a finalizer, which its controller removes. The controller is therefore deleted after it, and not at
all while it is there; the record of kinds goes last, so that a call that ended early can be repeated.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from kelvin_provision.cluster.kubernetes import inventory
from kelvin_provision.cluster.kubernetes.api.errors import Rejected
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.kubernetes.render.objects import CLUSTER_SCOPED, DEPENDENT, Key, defined_kinds, owner, rank
from kelvin_provision.cluster.plan import describe
from kelvin_provision.errors import RemovalUnfinished
from kelvin_provision.spec.workload import Object

TICK = 0.25
POD_GRACE = 30
"""Seconds that a pod has to end by itself, unless it says otherwise."""


def remove(api: Api, namespace: str, workload: str, *, timeout: float) -> tuple[str, ...]:
    """See protocol.Cluster.remove."""
    owned = inventory.owned(api, namespace, workload)
    kept = _kept(api, owned, workload)
    dependents = [item for item in reversed(owned) if rank(item) >= DEPENDENT]
    deleted = _delete(api, namespace, dependents)
    _wait_until_gone(api, namespace, workload, timeout, kept, dependents_only=True)
    deleted += _delete(api, namespace, [item for item in reversed(owned) if rank(item) < DEPENDENT and Key.of(item) not in kept])
    _wait_until_gone(api, namespace, workload, timeout, kept)  # also for what an interrupted call has deleted
    inventory.delete_record(api, namespace, workload)
    return tuple(deleted)


def delete(api: Api, namespace: str, item: Object) -> bool:
    """Delete exactly this object, by its uid. Returns False if it is gone or already being deleted."""
    key, metadata = Key.of(item), item["metadata"]
    if metadata.get("deletionTimestamp"):
        return False
    return api.delete(key.api_version, key.kind, key.name, None if key.kind in CLUSTER_SCOPED else namespace, uid=metadata["uid"])


def _delete(api: Api, namespace: str, items: Sequence[Object]) -> list[str]:
    return [describe(item) for item in items if delete(api, namespace, item)]


def _kept(api: Api, owned: Sequence[Object], workload: str) -> frozenset[Key]:
    """CustomResourceDefinitions with objects that are not ours: deleting one deletes all objects of its kind.

    Raises Rejected, before anything is deleted, where another workload has some: it would be left without its controller as well.
    """
    kept = set()
    for item in owned:
        if item["kind"] != "CustomResourceDefinition":
            continue
        definition = api.get(item["apiVersion"], item["kind"], item["metadata"]["name"]) or {}
        customs = [custom for version, kind in defined_kinds(definition) for custom in api.list_objects(version, kind, None, metadata=True)]
        others = sorted({f"{describe(custom)} of workload {owner(custom)}" for custom in customs if owner(custom) not in {None, workload}})
        if others:
            raise Rejected("in-use", f"{describe(item)} is used by {', '.join(others)}; undeploy that first. Nothing was removed")
        if any(owner(custom) is None for custom in customs):
            kept.add(Key.of(item))
    return frozenset(kept)


def _wait_until_gone(
    api: Api, namespace: str, workload: str, timeout: float, kept: frozenset[Key], *, dependents_only: bool = False
) -> None:
    """Raises RemovalUnfinished with the names of what hangs. A pod with a longer grace period than usual is given it."""
    began = time.monotonic()
    while left := _left(api, namespace, workload, kept, dependents_only=dependents_only):
        grace = max(item["metadata"].get("deletionGracePeriodSeconds") or 0 for item in left)
        if time.monotonic() - began > timeout + max(grace - POD_GRACE, 0):
            raise RemovalUnfinished(
                f"{workload}: deleted and still there: {', '.join(describe(item) for item in left)}", evidence=[_why(item) for item in left]
            )
        time.sleep(TICK)


def _left(api: Api, namespace: str, workload: str, kept: frozenset[Key], *, dependents_only: bool) -> list[Object]:
    owned = [item for item in inventory.owned(api, namespace, workload) if Key.of(item) not in kept]
    if dependents_only:
        return [item for item in owned if rank(item) >= DEPENDENT]
    selector = inventory.selector(workload)
    made = [item for kind in ("Pod", "PersistentVolumeClaim") for item in api.list_objects("v1", kind, namespace, selector, metadata=True)]
    return list({Key.of(item): item for item in (*owned, *made)}.values())


def _why(item: Object) -> str:
    metadata = item["metadata"]
    finalizers = ", ".join(metadata.get("finalizers") or ())
    since = metadata.get("deletionTimestamp")
    state = f"being deleted since {since}" if since else "not being deleted"
    return f"{describe(item)}: {state}" + (f", held by finalizer {finalizers}" if finalizers else "")
