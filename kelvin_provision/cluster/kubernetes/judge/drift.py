"""Finds what others have changed on an object since we applied it, in the server's record of field managers. Pure.

A comparison with what we sent would show the server's defaults and spellings (`1024Mi` becomes `1Gi`). `metadata.managedFields`
(FieldsV1) has none of that, and names manager and time; only fields that were removed are not in it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from kelvin_provision.cluster.kubernetes.render.objects import revision_of
from kelvin_provision.cluster.labels import MANAGER, STOPPED
from kelvin_provision.cluster.plan import Drift, describe
from kelvin_provision.masking.masked import mask
from kelvin_provision.spec.diff.fields import ABSENT, below, flat, step
from kelvin_provision.spec.workload import Object

CLUSTER_MANAGERS = frozenset({"kube-controller-manager", "kube-scheduler", "kube-apiserver", "kubelet", "cloud-controller-manager", "k3s"})
"""Components of the cluster; their changes are no drift."""

CLUSTER_FIELDS = ("status", "metadata.finalizers", "metadata.ownerReferences")
CLUSTER_ANNOTATIONS = (
    "deployment.kubernetes.io/",
    "pv.kubernetes.io/",
    "volume.kubernetes.io/",
    "volume.beta.kubernetes.io/",
    "kubectl.kubernetes.io/last-",  # kubectl's copy of the whole object, which may hold secrets
)
NOT_STORED_AS_SENT = ("stringData", "metadata.namespace")


def drift(workload: str, applied: Object, live: Object | None) -> Iterator[Drift]:
    """Yield fields that others have changed, added or removed; secrets are masked."""
    name = describe(applied)
    if live is None:
        if applied["kind"] != "Job" or (applied.get("spec") or {}).get("ttlSecondsAfterFinished") is None:  # which removes it
            yield Drift(workload, name)
        return
    sent, current = dict(flat(mask(applied))), mask(live)
    foreign = {
        path: (value, entry)
        for entry in _entries_of_others(live)
        for path, value in _managed(entry.get("fieldsV1") or {}, current, "", sent)
    }
    for path, (value, entry) in foreign.items():
        if not _belongs_to_cluster(path) and sent.get(path, ABSENT) != value:
            manager, time = str(entry.get("manager") or ""), str(entry.get("time") or "")
            yield Drift(workload, name, path, sent.get(path, ABSENT), value, manager, time)
    if revision_of(live) == revision_of(applied):  # otherwise another revision of ours is live, with other fields
        yield from _unrecorded(workload, name, {path: value for path, value in sent.items() if path not in foreign}, live)


def _entries_of_others(live: Object) -> Iterator[Mapping[str, Any]]:
    for entry in live["metadata"].get("managedFields") or ():
        if entry.get("manager") != MANAGER and entry.get("manager") not in CLUSTER_MANAGERS and entry.get("subresource") != "status":
            yield entry


def _unrecorded(workload: str, name: str, sent: Mapping[str, Any], live: Object) -> Iterator[Drift]:
    """Yield changes that no manager is recorded for: removed fields, and on old servers `kubectl scale`.

    Only numbers are compared with what we sent: strings may be spelled in another way.
    """
    current = dict(flat(live))
    stopped = STOPPED in (live["metadata"].get("annotations") or {})  # we have scaled it to 0 ourselves
    for path, value in sent.items():
        if path.startswith(NOT_STORED_AS_SENT):
            continue
        if value and not _exists(path, current):
            yield Drift(workload, name, path, value)
        elif isinstance(value, int) and path in current and current[path] != value and not stopped:
            yield Drift(workload, name, path, value, current[path])


def _managed(fields: Mapping[str, Any], value: Any, path: str, sent: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield path and value of every field in a FieldsV1 tree. A list entry that we never sent is yielded as a whole."""
    for mark, children in fields.items():
        kind, _, name = mark.partition(":")
        if kind == "f":
            child, child_path = (value.get(name, ABSENT) if isinstance(value, dict) else ABSENT), below(path, name)
        elif kind == "k":
            index = _index_of(value, json.loads(name))
            child, child_path = (ABSENT, path) if index is None else (value[index], path + step(value, index))
        else:  # `.` is the value itself, `v:` an entry of a list that is a set
            continue
        is_foreign_entry = kind == "k" and "." in children and not any(sent_path.startswith(child_path) for sent_path in sent)
        if child is ABSENT:
            continue
        if children.keys() - {"."} and not is_foreign_entry:
            yield from _managed(children, child, child_path, sent)
        else:
            yield child_path, child


def _index_of(items: Any, key: Mapping[str, Any]) -> int | None:
    """Find the list entry that has all values of a FieldsV1 key."""
    for index, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict) and all(item.get(name) == value for name, value in key.items()):
            return index
    return None


def _exists(path: str, paths: Collection[str]) -> bool:
    return path in paths or any(other.startswith((f"{path}.", f"{path}[")) for other in paths)


def _belongs_to_cluster(path: str) -> bool:
    return path.startswith(CLUSTER_FIELDS) or any(f"annotations[{prefix}" in path for prefix in CLUSTER_ANNOTATIONS)
