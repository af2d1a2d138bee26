"""Deletes the objects of a workload in the reverse order of applying, and waits until they are gone.

An object of a custom kind may have a finalizer, which its controller removes. The controller is therefore deleted after it, and not at
all while it is there. A CustomResourceDefinition and a namespace go last, unless objects of others would go with them. The record of kinds
goes at the very end, so that a call that ended early can be repeated.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence

from kelvin_provision.cluster.kubernetes import inventory, tenants
from kelvin_provision.cluster.kubernetes.api.errors import Rejected
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.kubernetes.render.objects import DEPENDENT, Key, defined_kinds, namespace_of, owner, rank
from kelvin_provision.cluster.plan import describe
from kelvin_provision.errors import RemovalUnfinished
from kelvin_provision.spec.workload import Object

TICK = 0.25
POD_GRACE = 30
"""Seconds that a pod has to end by itself, unless it says otherwise."""

Kept = Mapping[Key, str]
"""What is not deleted, and why."""


def remove(api: Api, home: str, workload: str, *, timeout: float) -> tuple[str, ...]:
    """See protocol.Cluster.remove."""
    owned = inventory.owned(api, home, workload)
    kept = _used_definitions(api, owned, workload)
    namespaces = {Key.of(item) for item in owned if item["kind"] == "Namespace"}
    deleted = _delete(api, home, [item for item in reversed(owned) if rank(item) >= DEPENDENT])
    _wait_until_gone(api, home, workload, timeout, kept, dependents_only=True)
    deleted += _delete(api, home, [item for item in reversed(owned) if rank(item) < DEPENDENT and Key.of(item) not in {*kept, *namespaces}])
    _wait_until_gone(api, home, workload, timeout, {*kept, *namespaces})  # also for what an interrupted call has deleted
    kept = {**kept, **_used_namespaces(api, owned)}
    deleted += _delete(api, home, [item for item in owned if Key.of(item) in namespaces - set(kept)])
    _wait_until_gone(api, home, workload, timeout, kept)
    inventory.delete_record(api, home, workload)
    return (*deleted, *(f"{describe(item)} (kept: {kept[Key.of(item)]})" for item in owned if Key.of(item) in kept))


def delete(api: Api, home: str, item: Object) -> bool:
    """Delete exactly this object, by its uid. Returns False if it is gone or already being deleted."""
    key, metadata = Key.of(item), item["metadata"]
    if metadata.get("deletionTimestamp"):
        return False
    return api.delete(key.api_version, key.kind, key.name, namespace_of(item) or home, uid=metadata["uid"])


def _delete(api: Api, home: str, items: Sequence[Object]) -> list[str]:
    return [describe(item) for item in items if delete(api, home, item)]


def _used_definitions(api: Api, owned: Sequence[Object], workload: str) -> Kept:
    """CustomResourceDefinitions with objects that are not ours: deleting one deletes all objects of its kind.

    Raises Rejected, before anything is deleted, where another workload has some: it would be left without its controller as well.
    """
    kept = {}
    for item in owned:
        if item["kind"] != "CustomResourceDefinition":
            continue
        definition = api.get(item["apiVersion"], item["kind"], item["metadata"]["name"]) or {}
        customs = [custom for version, kind in defined_kinds(definition) for custom in api.list_objects(version, kind, None, metadata=True)]
        others = sorted({f"{describe(custom)} of workload {owner(custom)}" for custom in customs if owner(custom) not in {None, workload}})
        if others:
            raise Rejected("in-use", f"{describe(item)} is used by {', '.join(others)}; undeploy that first. Nothing was removed")
        strangers = sorted({describe(custom) for custom in customs if owner(custom) is None})
        if strangers:
            kept[Key.of(item)] = f"{tenants.listed(strangers)} would go with it"
    return kept


def _used_namespaces(api: Api, owned: Sequence[Object]) -> Kept:
    """Namespaces with objects of others, by now: ours are gone."""
    kept = {}
    for item in owned:
        if item["kind"] == "Namespace" and not item["metadata"].get("deletionTimestamp"):
            objects = tenants.tenants(api, item["metadata"]["name"])
            if objects:
                kept[Key.of(item)] = f"{tenants.listed(objects)} would go with it"
    return kept


def _wait_until_gone(api: Api, home: str, workload: str, timeout: float, kept: Collection[Key], *, dependents_only: bool = False) -> None:
    """Raises RemovalUnfinished with the names of what hangs. A pod with a longer grace period than usual is given it."""
    began = time.monotonic()
    while left := _left(api, home, workload, kept, dependents_only=dependents_only):
        grace = max(item["metadata"].get("deletionGracePeriodSeconds") or 0 for item in left)
        if time.monotonic() - began > timeout + max(grace - POD_GRACE, 0):
            raise RemovalUnfinished(
                f"{workload}: deleted and still there: {', '.join(describe(item) for item in left)}", evidence=[_why(item) for item in left]
            )
        time.sleep(TICK)


def _left(api: Api, home: str, workload: str, kept: Collection[Key], *, dependents_only: bool) -> list[Object]:
    owned = [item for item in inventory.owned(api, home, workload) if Key.of(item) not in kept]
    if dependents_only:
        return [item for item in owned if rank(item) >= DEPENDENT]
    places = inventory.namespaces(api, home, workload)
    kinds = (("v1", "Pod"), ("v1", "PersistentVolumeClaim"))
    made = [item for kind in kinds for item in inventory.of_workload(api, home, workload, kind, metadata=True, at=places)]
    return list({Key.of(item): item for item in (*owned, *made)}.values())


def _why(item: Object) -> str:
    metadata = item["metadata"]
    finalizers = ", ".join(metadata.get("finalizers") or ())
    since = metadata.get("deletionTimestamp")
    state = f"being deleted since {since}" if since else "not being deleted"
    return f"{describe(item)}: {state}" + (f", held by finalizer {finalizers}" if finalizers else "")
