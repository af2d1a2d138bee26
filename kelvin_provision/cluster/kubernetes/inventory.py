"""What of ours is on the cluster, of every kind.

A rendered workload is made of five kinds. Other kinds are written down in a small ConfigMap before the first object of such a
kind is made, so that nothing is ever left behind because its kind was forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kelvin_provision.cluster.kubernetes.api.errors import Rejected
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.kubernetes.render.objects import CLUSTER_SCOPED, Key, owner, rank
from kelvin_provision.cluster.labels import MANAGER, OWNER, STOPPED
from kelvin_provision.spec.workload import Object

RENDERED = (
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
    ("v1", "Service"),
    ("v1", "PersistentVolumeClaim"),
    ("apps/v1", "Deployment"),
)
KEPT = frozenset({"PersistentVolumeClaim", "PersistentVolume", "CustomResourceDefinition"})
"""Kinds with data behind them: only `remove` takes them away."""


def record_name(workload: str) -> str:
    """The ConfigMap that remembers the kinds."""
    return f"{MANAGER}-kinds-{workload}"


def selector(workload: str) -> str:
    """What chooses the objects of one workload."""
    return f"{OWNER}={workload}"


def remembered(api: Api, namespace: str, workload: str) -> list[tuple[str, str]]:
    """The kinds beyond the five that this workload has ever had."""
    record = _record(api, namespace, workload)
    pairs = (line.split() for line in (((record or {}).get("data") or {}).get("kinds") or "").splitlines())
    return [(pair[0], pair[1]) for pair in pairs if len(pair) == 2]


def _record(api: Api, namespace: str, workload: str) -> Object | None:
    record = api.get("v1", "ConfigMap", record_name(workload), namespace)
    return record if record is not None and owner(record) == workload else None


def remember(api: Api, namespace: str, workload: str, objects: Sequence[Object]) -> None:
    """Before objects of other kinds are made. A workload without any ConfigMap gets one, so that it can be found."""
    kinds = {(item["apiVersion"], item["kind"]) for item in objects}
    if kinds <= set(RENDERED) and ("v1", "ConfigMap") in kinds:
        return
    known = _record(api, namespace, workload)
    wanted = (kinds | set(remembered(api, namespace, workload))) - set(RENDERED)
    api.apply(_new_record(namespace, workload, wanted), namespace, force=known is not None)


def _new_record(namespace: str, workload: str, kinds: Iterable[tuple[str, str]], notes: Mapping[str, str] | None = None) -> Object:
    lines = "\n".join(f"{version} {kind}" for version, kind in sorted(kinds))
    metadata: dict[str, Any] = {"name": record_name(workload), "namespace": namespace}
    metadata["labels"] = {OWNER: workload, "app.kubernetes.io/managed-by": MANAGER}
    if notes:
        metadata["annotations"] = dict(notes)
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"kinds": lines}}


def remember_stopped(api: Api, namespace: str, workload: str, gone: Sequence[str]) -> None:
    """Say on the record that these were taken away by a stop; the next `remember` takes the note off again."""
    record = _new_record(namespace, workload, remembered(api, namespace, workload), {STOPPED: ", ".join(gone)})
    api.apply(record, namespace, force=_record(api, namespace, workload) is not None)


def forget(api: Api, namespace: str, workload: str) -> None:
    """Take the record away: there is nothing left to find."""
    record = _record(api, namespace, workload)
    if record is not None:
        api.delete("v1", "ConfigMap", record_name(workload), namespace, uid=record["metadata"]["uid"])


def owned(api: Api, namespace: str, workload: str, objects: Sequence[Object] = ()) -> list[Object]:
    """Metadata of everything of the workload, in the order of applying; what belongs to another object, and the record, left out."""
    kinds = dict.fromkeys([*RENDERED, *remembered(api, namespace, workload), *((item["apiVersion"], item["kind"]) for item in objects)])
    found = []
    for version, kind in kinds:
        try:
            found += api.list_objects(version, kind, None if kind in CLUSTER_SCOPED else namespace, selector(workload), metadata=True)
        except Rejected as error:
            if error.code not in {"unknown-kind", "missing"}:  # a kind that is gone has no objects
                raise
    return sorted((item for item in found if not _of_another(item) and Key.of(item).name != record_name(workload)), key=rank)


def _of_another(item: Object) -> bool:
    return any(reference.get("controller") for reference in item["metadata"].get("ownerReferences") or ())


def superfluous(there: Sequence[Object], objects: Sequence[Object]) -> list[Object]:
    """What the workload has beyond `objects`, the last to be needed first; what holds data is kept."""
    wanted = {Key.of(item) for item in objects}
    return [item for item in reversed(there) if Key.of(item) not in wanted and item["kind"] not in KEPT]
