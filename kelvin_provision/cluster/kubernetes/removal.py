"""Deletes the objects of a workload and waits until its pods and volume claims are gone."""

from __future__ import annotations

import time

from kelvin_provision.cluster.kubernetes import inventory
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.kubernetes.planning import defined_kinds
from kelvin_provision.cluster.kubernetes.render.objects import CLUSTER_SCOPED, Key, owner
from kelvin_provision.cluster.plan import describe
from kelvin_provision.spec.workload import Object

TICK = 0.25


def remove(api: Api, namespace: str, workload: str, *, timeout: float) -> tuple[str, ...]:
    """See protocol.Cluster.remove."""
    owned = inventory.owned(api, namespace, workload)
    deleted = tuple(describe(item) for item in reversed(owned) if not _used_by_others(api, item) and delete(api, namespace, item))
    inventory.delete_record(api, namespace, workload)
    _wait_until_gone(api, namespace, workload, timeout)  # also for what an interrupted call has deleted
    return deleted


def delete(api: Api, namespace: str, item: Object) -> bool:
    """Delete exactly this object, by its uid. Returns False if it is gone or already being deleted."""
    key, metadata = Key.of(item), item["metadata"]
    if metadata.get("deletionTimestamp"):
        return False
    return api.delete(key.api_version, key.kind, key.name, None if key.kind in CLUSTER_SCOPED else namespace, uid=metadata["uid"])


def _used_by_others(api: Api, item: Object) -> bool:
    """Deleting a CustomResourceDefinition deletes all objects of its kind, so it is kept while one of them is not ours."""
    if item["kind"] != "CustomResourceDefinition":
        return False
    definition = api.get(item["apiVersion"], item["kind"], item["metadata"]["name"]) or {}
    kinds = defined_kinds(definition)
    return any(owner(custom) is None for version, kind in kinds for custom in api.list_objects(version, kind, None, metadata=True))


def _wait_until_gone(api: Api, namespace: str, workload: str, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    selector = inventory.selector(workload)
    while time.monotonic() < deadline:
        if not any(api.list_objects("v1", kind, namespace, selector, metadata=True) for kind in ("Pod", "PersistentVolumeClaim")):
            return
        time.sleep(TICK)
