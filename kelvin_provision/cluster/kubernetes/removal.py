"""Taking a workload away, and waiting until it is gone."""

from __future__ import annotations

import time

from kelvin_provision.cluster.kubernetes import inventory, planning
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.kubernetes.render.objects import CLUSTER_SCOPED, Key, owner
from kelvin_provision.cluster.plan import describe
from kelvin_provision.spec.workload import Object

TICK = 0.25


def remove(api: Api, namespace: str, workload: str, *, patience: float) -> tuple[str, ...]:
    """See protocol.Cluster.remove; `patience` in seconds."""
    there = inventory.owned(api, namespace, workload)
    gone = tuple(describe(item) for item in reversed(there) if not _shared(api, item) and delete(api, namespace, item))
    inventory.forget(api, namespace, workload)
    _empty(api, namespace, workload, patience)  # also when an earlier try, cut off, has told them to go
    return gone


def delete(api: Api, namespace: str, item: Object) -> bool:
    """Exactly this object, by its uid; False when it is gone or going."""
    key, metadata = Key.of(item), item["metadata"]
    if metadata.get("deletionTimestamp"):
        return False
    return api.delete(key.api_version, key.kind, key.name, None if key.kind in CLUSTER_SCOPED else namespace, uid=metadata["uid"])


def _shared(api: Api, item: Object) -> bool:
    """A definition takes every object of its kind along: it stays while there is one that is not ours."""
    if item["kind"] != "CustomResourceDefinition":
        return False
    whole = api.get(item["apiVersion"], item["kind"], item["metadata"]["name"]) or {}
    for version, kind in planning.defined(whole):
        if any(owner(other) is None for other in api.list_objects(version, kind, None, metadata=True)):
            return True
    return False


def _empty(api: Api, namespace: str, workload: str, patience: float) -> None:
    deadline = time.monotonic() + patience
    chosen = inventory.selector(workload)
    while time.monotonic() < deadline:
        if not any(api.list_objects("v1", kind, namespace, chosen, metadata=True) for kind in ("Pod", "PersistentVolumeClaim")):
            return
        time.sleep(TICK)
