"""What the server and its controllers have assigned in an object that was exported: addresses, bindings, generated labels. Pure.

`kubectl get -o yaml` writes them like what a person chose. In another cluster, or after the object was deleted, they are wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kelvin_provision.spec.workload import Object

_BINDING = "pv.kubernetes.io/bound-by-controller"
_CLAIM_ANNOTATIONS = (
    _BINDING, "pv.kubernetes.io/bind-completed", "volume.kubernetes.io/selected-node", "volume.kubernetes.io/storage-provisioner",
    "volume.beta.kubernetes.io/storage-provisioner",
)  # fmt: skip
_PROTECTIONS = ("kubernetes.io/pv-protection", "kubernetes.io/pvc-protection")
_JOB_LABELS = ("controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name")
_TOKEN = re.compile(r"(.+-token|kube-api-access)-[a-z0-9]{5}")


def is_exported(item: Object) -> bool:
    """Whether an API server has had it: only one that is stored has these."""
    metadata = item.get("metadata")
    return isinstance(metadata, dict) and any(metadata.get(key) for key in ("uid", "resourceVersion"))


def without_assigned(item: Object) -> tuple[Object, tuple[str, ...]]:
    """A copy of an exported object without them, and their paths; the object itself if it was not exported."""
    clean = _BY_KIND.get(str(item.get("kind")))
    if clean is None or not is_exported(item):
        return item, ()
    dropped: list[str] = []
    return clean(item, dropped), tuple(dict.fromkeys(dropped))


def controller_of(item: Object) -> tuple[str, str] | None:
    """Kind and name of the controller that made an object."""
    metadata = item.get("metadata")
    references = metadata.get("ownerReferences") if isinstance(metadata, dict) else None
    for entry in references if isinstance(references, list) else ():
        if isinstance(entry, dict) and entry.get("controller") is True:
            return str(entry.get("kind")), str(entry.get("name"))
    return None


# --- each kind -------------------------------------------------------------------------------------


def _service(item: Object, dropped: list[str]) -> Object:
    given = item.get("spec")
    spec = given if isinstance(given, dict) else {}
    addresses = () if spec.get("clusterIP") == "None" else ("clusterIP", "clusterIPs")
    families = ("ipFamilies", "ipFamilyPolicy") if spec.get("ipFamilyPolicy") == "SingleStack" else ()
    return _without(item, ("spec",), ("healthCheckNodePort", *addresses, *families), dropped)


def _claim(item: Object, dropped: list[str]) -> Object:
    annotations = item["metadata"].get("annotations")
    chosen_by_controller = isinstance(annotations, dict) and _BINDING in annotations
    if chosen_by_controller:
        item = _without(item, ("spec",), ("volumeName",), dropped)
    return _volume(item, dropped)


def _volume(item: Object, dropped: list[str]) -> Object:
    item = _without(item, ("metadata", "annotations"), _CLAIM_ANNOTATIONS, dropped)
    item = _without(item, ("spec", "claimRef"), ("uid", "resourceVersion"), dropped)
    return item | {
        "metadata": _filtered(item["metadata"], "finalizers", lambda name: name not in _PROTECTIONS, "metadata.finalizers", dropped)
    }


def _account(item: Object, dropped: list[str]) -> Object:
    return _filtered(item, "secrets", _is_no_token, "secrets", dropped)


def _job(item: Object, dropped: list[str]) -> Object:
    spec = item.get("spec")
    if isinstance(spec, dict) and spec.get("manualSelector") is True:
        return item
    item = _without(item, ("spec",), ("selector",), dropped)
    item = _without(item, ("metadata", "labels"), _JOB_LABELS, dropped)
    return _without(item, ("spec", "template", "metadata", "labels"), _JOB_LABELS, dropped)


def _pod(item: Object, dropped: list[str]) -> Object:
    item = _without(item, ("spec",), ("nodeName",), dropped)
    spec = item.get("spec")
    if not isinstance(spec, dict):
        return item
    spec = _filtered(spec, "volumes", _is_no_token, "spec.volumes", dropped)
    for key in ("initContainers", "containers"):
        containers = spec.get(key)
        if isinstance(containers, list):
            spec = spec | {key: [_without_token(container, f"spec.{key}", dropped) for container in containers]}
    return item | {"spec": spec}


def _without_token(container: Any, path: str, dropped: list[str]) -> Any:
    if not isinstance(container, dict):
        return container
    return _filtered(container, "volumeMounts", _is_no_token, f"{path}.volumeMounts", dropped)


_BY_KIND: Mapping[str, Callable[[Object, list[str]], Object]] = {
    "Service": _service,
    "PersistentVolumeClaim": _claim,
    "PersistentVolume": _volume,
    "ServiceAccount": _account,
    "Job": _job,
    "Pod": _pod,
}


# --- copies ----------------------------------------------------------------------------------------


def _without(value: Object, path: Sequence[str], keys: Sequence[str], dropped: list[str], above: str = "") -> Object:
    """A copy of the document in which the mapping at this path has none of the keys."""
    if path:
        step, below = path[0], value.get(path[0])
        return value | {step: _without(below, path[1:], keys, dropped, f"{above}{step}.")} if isinstance(below, dict) else value
    dropped += [f"{above}{key}" for key in keys if key in value]
    return {key: item for key, item in value.items() if key not in keys}


def _is_no_token(entry: Any) -> bool:
    """A token of an account, and what mounts it, is made by a controller."""
    return not (isinstance(entry, dict) and _TOKEN.fullmatch(str(entry.get("name"))))


def _filtered(value: Object, key: str, keep: Callable[[Any], bool], path: str, dropped: list[str]) -> Object:
    """A copy whose list has only the entries that are to be kept, and is absent without any."""
    entries = value.get(key)
    if not isinstance(entries, list):
        return value
    kept = [entry for entry in entries if keep(entry)]
    if len(kept) == len(entries):
        return value
    dropped.append(path)
    rest = {name: item for name, item in value.items() if name != key}
    return rest | {key: kept} if kept else rest
