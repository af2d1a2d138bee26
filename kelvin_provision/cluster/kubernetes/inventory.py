"""The inventory: all objects of a workload on the cluster, of every kind, so that pruning and removal leave nothing behind.

A rendered workload has objects of five kinds. Other kinds are recorded in a ConfigMap before the first object of the kind is created.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kelvin_provision.cluster.kubernetes.api.errors import Rejected
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.kubernetes.render.objects import CLUSTER_SCOPED, Key, owner, rank
from kelvin_provision.cluster.labels import MANAGER, OWNER, STOPPED
from kelvin_provision.spec.workload import Object

RENDERED_KINDS = (
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
    ("v1", "Service"),
    ("v1", "PersistentVolumeClaim"),
    ("apps/v1", "Deployment"),
)
NEVER_PRUNED = frozenset({"PersistentVolumeClaim", "PersistentVolume", "CustomResourceDefinition"})
"""Deleting these kinds deletes data; only `remove` does it."""


def record_name(workload: str) -> str:
    """The name of the ConfigMap that records kinds."""
    return f"{MANAGER}-kinds-{workload}"


def selector(workload: str) -> str:
    return f"{OWNER}={workload}"


def recorded_kinds(api: Api, namespace: str, workload: str) -> list[tuple[str, str]]:
    """Return the kinds beyond the five that the workload has or had."""
    data = (_record(api, namespace, workload) or {}).get("data") or {}
    pairs = (line.split() for line in (data.get("kinds") or "").splitlines())
    return [(pair[0], pair[1]) for pair in pairs if len(pair) == 2]


def record_kinds(api: Api, namespace: str, workload: str, objects: Sequence[Object]) -> None:
    """Record kinds before their objects are created. A workload without any ConfigMap gets one, so that `observe` lists it."""
    kinds = {(item["apiVersion"], item["kind"]) for item in objects}
    if kinds <= set(RENDERED_KINDS) and ("v1", "ConfigMap") in kinds:
        return
    live = _record(api, namespace, workload)
    others = (kinds | set(recorded_kinds(api, namespace, workload))) - set(RENDERED_KINDS)
    api.apply(_new_record(namespace, workload, others), namespace, force=live is not None)


def record_stopped(api: Api, namespace: str, workload: str, deleted: Sequence[str]) -> None:
    """Annotate the record with what `stop` deletes. The next `record_kinds` removes the annotation."""
    record = _new_record(namespace, workload, recorded_kinds(api, namespace, workload), {STOPPED: ", ".join(deleted)})
    api.apply(record, namespace, force=_record(api, namespace, workload) is not None)


def delete_record(api: Api, namespace: str, workload: str) -> None:
    record = _record(api, namespace, workload)
    if record is not None:
        api.delete("v1", "ConfigMap", record_name(workload), namespace, uid=record["metadata"]["uid"])


def owned(api: Api, namespace: str, workload: str, objects: Sequence[Object] = ()) -> list[Object]:
    """Return metadata of all objects in the order of applying, except our record and objects that a controller created."""
    own = ((item["apiVersion"], item["kind"]) for item in objects)
    labelled: list[Object] = []
    for version, kind in dict.fromkeys([*RENDERED_KINDS, *recorded_kinds(api, namespace, workload), *own]):
        try:
            labelled += api.list_objects(version, kind, None if kind in CLUSTER_SCOPED else namespace, selector(workload), metadata=True)
        except Rejected as error:
            if error.code not in {"unknown-kind", "missing"}:  # the kind was removed, and its objects with it
                raise
    return sorted((item for item in labelled if not _has_controller(item) and Key.of(item).name != record_name(workload)), key=rank)


def prunable(live: Sequence[Object], objects: Sequence[Object]) -> list[Object]:
    """Select live objects that are not in `objects` and hold no data, in the order of deleting."""
    keys = {Key.of(item) for item in objects}
    return [item for item in reversed(live) if Key.of(item) not in keys and item["kind"] not in NEVER_PRUNED]


def _record(api: Api, namespace: str, workload: str) -> Object | None:
    record = api.get("v1", "ConfigMap", record_name(workload), namespace)
    return record if record is not None and owner(record) == workload else None


def _new_record(namespace: str, workload: str, kinds: Iterable[tuple[str, str]], annotations: Mapping[str, str] | None = None) -> Object:
    lines = "\n".join(f"{version} {kind}" for version, kind in sorted(kinds))
    metadata: dict[str, Any] = {"name": record_name(workload), "namespace": namespace}
    metadata["labels"] = {OWNER: workload, "app.kubernetes.io/managed-by": MANAGER}
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"kinds": lines}}


def _has_controller(item: Object) -> bool:
    return any(reference.get("controller") for reference in item["metadata"].get("ownerReferences") or ())
