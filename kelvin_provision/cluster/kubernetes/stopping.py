"""Stopping on Kubernetes: what can be scaled has no replicas, what cannot is taken away until the next apply. Data is not touched."""

from __future__ import annotations

import time
from collections.abc import Iterator

from kelvin_provision.cluster.kubernetes import inventory
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.kubernetes.render.objects import Key
from kelvin_provision.cluster.labels import STOPPED
from kelvin_provision.cluster.plan import describe
from kelvin_provision.spec.workload import Object

SCALED = frozenset({"Deployment", "StatefulSet", "ReplicaSet", "ReplicationController"})
FLEETING = frozenset({"DaemonSet", "Job", "CronJob", "Pod"})
"""They have no replicas; they hold no data of their own, and an apply makes them again."""


ALIVE = "status.phase!=Succeeded,status.phase!=Failed"
"""Pods that ended stay to be looked at; nobody waits for them."""


def stop(api: Api, namespace: str, workload: str, *, patience: float) -> None:
    """Scale down and take away, the last to be needed first, and wait some seconds for the last pod. Absent is fine."""
    gone = []
    for item in reversed(inventory.owned(api, namespace, workload)):
        key = Key.of(item)
        if key.kind in SCALED:
            _scale_down(api, namespace, key)
        elif key.kind in FLEETING:
            gone.append(describe(item))
    if gone:
        # First the note: cut off after it, the next stop takes away what is left of them.
        inventory.remember_stopped(api, namespace, workload, gone)
        for item in inventory.owned(api, namespace, workload):
            if Key.of(item).kind in FLEETING:
                api.delete(item["apiVersion"], item["kind"], item["metadata"]["name"], namespace, uid=item["metadata"]["uid"])
    deadline = time.monotonic() + patience
    while api.list_objects("v1", "Pod", namespace, inventory.selector(workload), ALIVE, metadata=True) and time.monotonic() < deadline:
        time.sleep(0.25)


def _scale_down(api: Api, namespace: str, key: Key) -> None:
    live = api.get(key.api_version, key.kind, key.name, namespace)
    if live is None:
        return
    replicas = (live.get("spec") or {}).get("replicas", 1)
    if replicas:
        api.patch(_patch(key, 0, str(replicas)), namespace)


def wake(api: Api, namespace: str, item: Object, before: Object) -> None:
    """After an apply of `item` over what was `before` on the cluster: as many replicas as it had, if `item` does not say how many."""
    note = (before["metadata"].get("annotations") or {}).get(STOPPED)
    if note is None or item["kind"] not in SCALED:
        return
    silent = "replicas" not in (item.get("spec") or {})
    replicas = int(note) if silent and note.isdigit() else None
    api.patch(_patch(Key.of(item), replicas, None), namespace)


def _patch(key: Key, replicas: int | None, note: str | None) -> Object:
    patch: Object = {"apiVersion": key.api_version, "kind": key.kind}
    patch["metadata"] = {"name": key.name, "annotations": {STOPPED: note}}
    return patch | dict(_spec(replicas))


def _spec(replicas: int | None) -> Iterator[tuple[str, Object]]:
    if replicas is not None:
        yield "spec", {"replicas": replicas}
