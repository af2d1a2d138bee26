"""The inventory: all objects of a workload on the cluster, of every kind, so that pruning and removal leave nothing behind.

A rendered workload has objects of five kinds in the box's namespace (`home`). Other kinds and namespaces are recorded in a ConfigMap there,
before the first of their objects is created. Records of earlier versions have no namespaces: all their objects are at home.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from kelvin_provision.cluster.kubernetes.api.errors import Rejected
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.kubernetes.render.objects import CLUSTER_SCOPED, Key, keys_of, namespace_of, owner, rank
from kelvin_provision.cluster.labels import HOME, MANAGER, NAMESPACES, OWNER, REVISION, STOPPED
from kelvin_provision.spec.workload import Object

Kind = tuple[str, str]
"""API version and kind."""

RENDERED_KINDS: tuple[Kind, ...] = (
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
    ("v1", "Service"),
    ("v1", "PersistentVolumeClaim"),
    ("apps/v1", "Deployment"),
)
NEVER_PRUNED = frozenset({"PersistentVolumeClaim", "PersistentVolume", "CustomResourceDefinition", "Namespace"})
"""Deleting these kinds deletes data; only `remove` does it."""


@dataclass(frozen=True)
class Record:
    """The kinds at home beyond the five, those of the cluster included, and kinds with their namespaces elsewhere."""

    kinds: frozenset[Kind] = frozenset()
    elsewhere: frozenset[tuple[str, str, str]] = frozenset()

    @classmethod
    def of(cls, objects: Iterable[Object], home: str) -> Record:
        kinds, elsewhere = set(), set()
        for item in objects:
            namespace = namespace_of(item) or home
            if namespace == home:
                kinds.add((item["apiVersion"], item["kind"]))
            else:
                elsewhere.add((item["apiVersion"], item["kind"], namespace))
        return cls(frozenset(kinds), frozenset(elsewhere))

    @classmethod
    def read(cls, document: Object) -> Record:
        """Lines that are not understood are left out."""
        data = document.get("data") or {}
        kinds = (line.split() for line in (data.get("kinds") or "").splitlines())
        elsewhere = (line.split() for line in (data.get("elsewhere") or "").splitlines())
        return cls(
            frozenset((words[0], words[1]) for words in kinds if len(words) == 2),
            frozenset((words[0], words[1], words[2]) for words in elsewhere if len(words) == 3),
        )

    def __or__(self, other: Record) -> Record:
        return Record(self.kinds | other.kinds, self.elsewhere | other.elsewhere)

    @property
    def namespaces(self) -> list[str]:
        return sorted({namespace for _, _, namespace in self.elsewhere})


def record_name(workload: str) -> str:
    """The name of the ConfigMap that records kinds."""
    return f"{MANAGER}-kinds-{workload}"


def selector(home: str, namespace: str, workload: str = "") -> str:
    """Selects objects of a workload, or of all, in one namespace. Those of another box that shares it are not ours."""
    owned = f"{OWNER}={workload}" if workload else OWNER
    return f"{owned},!{HOME}" if namespace == home else f"{owned},{HOME}={home}"


def namespaces(api: Api, home: str, workload: str) -> list[str]:
    """Return the namespaces in which the workload has or had objects; the box's is the first."""
    return [home, *recorded(api, home, workload).namespaces]


def all_namespaces(records: Iterable[Object], home: str) -> list[str]:
    """Return the namespaces of all workloads, from the metadata of their ConfigMaps; the box's is the first. Pure."""
    texts = [(item["metadata"].get("annotations") or {}).get(NAMESPACES) or "" for item in records]
    return [home, *sorted({namespace for text in texts for namespace in text.split(", ") if namespace})]


def of_workload(
    api: Api, home: str, workload: str, kind: Kind, fields: str = "", *, metadata: bool = False, at: Sequence[str] | None = None
) -> list[Object]:
    """Return objects of one kind in all namespaces of the workload, or `at` these; also what a controller created."""
    places = namespaces(api, home, workload) if at is None else at
    return [item for place in places for item in api.list_objects(*kind, place, selector(home, place, workload), fields, metadata=metadata)]


def live(api: Api, home: str, item: Object) -> Object | None:
    """Return the object on the cluster with kind, name and namespace of this one."""
    return api.get(item["apiVersion"], item["kind"], item["metadata"]["name"], namespace_of(item) or home)


def recorded(api: Api, home: str, workload: str) -> Record:
    return Record.read(_record(api, home, workload) or {})


def record_kinds(api: Api, home: str, workload: str, objects: Sequence[Object]) -> None:
    """Record kinds and namespaces before objects are created. A workload without a ConfigMap at home gets one: `observe` looks for it."""
    new = Record.of(objects, home)
    if new.kinds <= set(RENDERED_KINDS) and ("v1", "ConfigMap") in new.kinds and not new.elsewhere:
        return
    record = _record(api, home, workload)
    api.apply(_new_record(home, workload, new | Record.read(record or {})), home, force=record is not None)


def record_stopped(api: Api, home: str, workload: str, deleted: Sequence[str]) -> None:
    """Annotate the record with what `stop` deletes. The next `record_kinds` removes the annotation."""
    record = _record(api, home, workload)
    api.apply(_new_record(home, workload, Record.read(record or {}), ", ".join(deleted)), home, force=record is not None)


def delete_record(api: Api, home: str, workload: str) -> None:
    record = _record(api, home, workload)
    if record is not None:
        api.delete("v1", "ConfigMap", record_name(workload), home, uid=record["metadata"]["uid"])


def owned(api: Api, home: str, workload: str, objects: Sequence[Object] = ()) -> list[Object]:
    """Return metadata of all objects in the order of applying, except our record and objects that a controller created."""
    record = recorded(api, home, workload) | Record.of(objects, home)
    labelled: list[Object] = []
    for version, kind, namespace in _places(record, home):
        try:
            if kind in CLUSTER_SCOPED or not api.namespaced(version, kind):
                items = api.list_objects(version, kind, None, f"{OWNER}={workload}", metadata=True)
                labelled += [item for item in items if _home_of(item) in {None, home}]
            else:
                labelled += api.list_objects(version, kind, namespace, selector(home, namespace, workload), metadata=True)
        except Rejected as error:
            if error.code not in {"unknown-kind", "missing"}:  # the kind was removed, and its objects with it
                raise
    return sorted((item for item in labelled if not _has_controller(item) and not _is_record(item, workload)), key=rank)


def _places(record: Record, home: str) -> Iterator[tuple[str, str, str]]:
    kinds = [*RENDERED_KINDS, *sorted(record.kinds - set(RENDERED_KINDS))]
    yield from ((version, kind, home) for version, kind in kinds)
    claims = {("v1", "PersistentVolumeClaim", namespace) for namespace in record.namespaces}  # a StatefulSet makes them
    yield from sorted(record.elsewhere | claims)


def _home_of(item: Object) -> str | None:
    """An earlier version did not write the label on objects of the cluster."""
    home: str | None = (item["metadata"].get("labels") or {}).get(HOME)
    return home


def prunable(items: Sequence[Object], objects: Sequence[Object]) -> list[Object]:
    """Select those of the live `items` that are not in `objects` and hold no data, in the order of deleting.

    One of which another version of its kind is in `objects` is the same object.
    """
    keys = keys_of(objects)
    kept = {item["metadata"].get("uid") for item in items if Key.of(item) in keys} - {None}
    gone = [item for item in reversed(items) if Key.of(item) not in keys and item["metadata"].get("uid") not in kept]
    return [item for item in gone if item["kind"] not in NEVER_PRUNED]


def _record(api: Api, home: str, workload: str) -> Object | None:
    record = api.get("v1", "ConfigMap", record_name(workload), home)
    return record if record is not None and owner(record) == workload else None


def _new_record(home: str, workload: str, record: Record, stopped: str = "") -> Object:
    metadata: dict[str, Any] = {"name": record_name(workload), "namespace": home}
    metadata["labels"] = {OWNER: workload, "app.kubernetes.io/managed-by": MANAGER}
    annotations = {STOPPED: stopped, NAMESPACES: ", ".join(record.namespaces)}
    if any(annotations.values()):
        metadata["annotations"] = {name: text for name, text in annotations.items() if text}
    data = {"kinds": _lines(record.kinds - set(RENDERED_KINDS))}
    if record.elsewhere:
        data["elsewhere"] = _lines(record.elsewhere)
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def _lines(entries: Iterable[tuple[str, ...]]) -> str:
    return "\n".join(" ".join(entry) for entry in sorted(entries))


def _is_record(item: Object, workload: str) -> bool:
    return bool(item["kind"] == "ConfigMap" and item["metadata"].get("name") == record_name(workload))


def _has_controller(item: Object) -> bool:
    """Endpoints name none, and have all labels of their Service, ours included, but not our annotations."""
    if item["kind"] == "Endpoints" and REVISION not in (item["metadata"].get("annotations") or {}):
        return True
    return any(reference.get("controller") for reference in item["metadata"].get("ownerReferences") or ())
