"""Stops a workload: controllers with replicas are scaled to 0, others are deleted until the next apply. Data is kept."""

from __future__ import annotations

import time

from kelvin_provision.cluster.kubernetes import inventory
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.kubernetes.deletion.removal import delete
from kelvin_provision.cluster.labels import STOPPED
from kelvin_provision.cluster.plan import describe
from kelvin_provision.quantity import parse_count
from kelvin_provision.spec.workload import Object

SCALABLE = frozenset({"Deployment", "StatefulSet", "ReplicaSet", "ReplicationController"})
DELETED = frozenset({"DaemonSet", "Job", "CronJob", "Pod"})
"""Kinds without replicas and without data, which an apply creates again."""

ALIVE = "status.phase!=Succeeded,status.phase!=Failed"
"""Field selector for pods that still run; ended pods stay on the cluster."""

TICK = 0.25


def stop(api: Api, namespace: str, workload: str, *, timeout: float) -> None:
    """Stop in the reverse order of applying, then wait for the last pod. May be repeated, also after an interrupted call."""
    deleted = []
    for item in reversed(inventory.owned(api, namespace, workload)):
        if item["kind"] in SCALABLE:
            _scale_to_zero(api, namespace, item)
        elif item["kind"] in DELETED:
            deleted.append(describe(item))
    if deleted:
        # The record comes first: an interrupted call can be repeated and still knows what it has to delete.
        inventory.record_stopped(api, namespace, workload, deleted)
        for item in inventory.owned(api, namespace, workload):
            if item["kind"] in DELETED:
                delete(api, namespace, item)
    deadline = time.monotonic() + timeout
    places = inventory.namespaces(api, namespace, workload)
    while inventory.of_workload(api, namespace, workload, ("v1", "Pod"), ALIVE, metadata=True, at=places) and time.monotonic() < deadline:
        time.sleep(TICK)


def _scale_to_zero(api: Api, namespace: str, item: Object) -> None:
    live = inventory.live(api, namespace, item)
    replicas = (live.get("spec") or {}).get("replicas", 1) if live else 0
    if replicas:
        api.patch(_patch(item, str(replicas), {"replicas": 0}), namespace)


def restore_replicas(api: Api, namespace: str, item: Object, before: Object) -> None:
    """After an apply of `item` over the stopped object `before`: restore its number of replicas, unless `item` sets it."""
    replicas = (before["metadata"].get("annotations") or {}).get(STOPPED)
    if replicas is None or item["kind"] not in SCALABLE:
        return
    count = parse_count(replicas) if "replicas" not in (item.get("spec") or {}) else None
    api.patch(_patch(item, None, {"replicas": count} if count is not None else {}), namespace)


def _patch(item: Object, stopped: str | None, spec: Object) -> Object:
    """Build a merge patch; None removes the annotation."""
    metadata: Object = {name: item["metadata"][name] for name in ("name", "namespace") if name in item["metadata"]}
    metadata["annotations"] = {STOPPED: stopped}
    patch: Object = {"apiVersion": item["apiVersion"], "kind": item["kind"], "metadata": metadata}
    return patch | ({"spec": spec} if spec else {})
