"""What somebody else has changed on an object since we applied it: the server itself keeps who manages which field. Pure.

Comparing with what we sent would show the server's own defaults and spellings (`1024Mi` is `1Gi` there). The managers' record
(`metadata.managedFields`, FieldsV1) has none of that, and knows who and when; only what was taken away is not in it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from kelvin_provision.cluster.kubernetes.render.objects import revision_of
from kelvin_provision.cluster.labels import MANAGER, STOPPED
from kelvin_provision.cluster.plan import Drift, describe
from kelvin_provision.masking.masked import mask
from kelvin_provision.spec.fields import ABSENT, below, flat, step
from kelvin_provision.spec.workload import Object

CLUSTER = frozenset({"kube-controller-manager", "kube-scheduler", "kube-apiserver", "kubelet", "cloud-controller-manager", "k3s"})
"""The cluster's own parts: what they write is their work and nobody's change."""

_THEIRS = ("status", "metadata.finalizers", "metadata.ownerReferences")
_RENAMED = ("stringData", "metadata.namespace")
_NOTES = (
    "deployment.kubernetes.io/",
    "pv.kubernetes.io/",
    "volume.kubernetes.io/",
    "volume.beta.kubernetes.io/",
    "kubectl.kubernetes.io/last-",
)
"""Notes that say nothing about the workload; kubectl's copy of the whole object may hold secrets besides."""


def drift(workload: str, applied: Object, live: Object | None) -> Iterator[Drift]:
    """Fields that others have set to something else, came with, or took away; secrets are under a veil."""
    what = describe(applied)
    if live is None:
        yield Drift(workload, what)
        return
    ours, theirs = dict(flat(mask(applied))), mask(live)
    found = {path: (value, entry) for entry in _others(live) for path, value in _set(entry.get("fieldsV1") or {}, theirs, "", ours)}
    for path, (value, entry) in found.items():
        if not _of_the_cluster(path) and ours.get(path, ABSENT) != value:
            yield Drift(workload, what, path, ours.get(path, ABSENT), value, str(entry.get("manager") or ""), str(entry.get("time") or ""))
    if revision_of(live) == revision_of(applied):  # else another revision of ours stands there, with other fields
        yield from _unsigned(workload, what, {path: value for path, value in ours.items() if path not in found}, live)


def _others(live: Object) -> Iterator[Mapping[str, Any]]:
    """The record's entries of everybody but us and the cluster itself."""
    for entry in live["metadata"].get("managedFields") or ():
        if entry.get("manager") != MANAGER and entry.get("manager") not in CLUSTER and entry.get("subresource") != "status":
            yield entry


def _unsigned(workload: str, what: str, ours: Mapping[str, Any], live: Object) -> Iterator[Drift]:
    """What nobody signs: a field that was taken away, and on old servers `kubectl scale`.

    Only numbers are compared with what we sent: texts may be spelled in another way.
    """
    there = dict(flat(live))
    stopped = STOPPED in (live["metadata"].get("annotations") or {})
    for path, value in ours.items():
        if path.startswith(_RENAMED):
            continue
        if value and not _reaches(path, there):
            yield Drift(workload, what, path, value)
        elif isinstance(value, int) and path in there and there[path] != value and not stopped:
            yield Drift(workload, what, path, value, there[path])


def _set(fields: Mapping[str, Any], value: Any, path: str, ours: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Path and value of every field of a FieldsV1 tree. An entry of a list that we never sent is one field with all below it."""
    for mark, more in fields.items():
        kind, _, name = mark.partition(":")
        if kind == "f":
            inner, there = (value.get(name, ABSENT) if isinstance(value, dict) else ABSENT), below(path, name)
        elif kind == "k":
            at = _place(value, json.loads(name))
            inner, there = (ABSENT, path) if at is None else (value[at], path + step(value, at))
            if "." in more and not any(known.startswith(there) for known in ours):
                more = {}  # noqa: PLW2901
        else:  # `.` is the thing itself, `v:` an entry of a list that is a set
            continue
        if inner is ABSENT:
            continue
        if more.keys() - {"."}:
            yield from _set(more, inner, there, ours)
        else:
            yield there, inner


def _place(items: Any, key: Mapping[str, Any]) -> int | None:
    """Where in a list the entry stands that has all of a key."""
    for number, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict) and all(item.get(name) == value for name, value in key.items()):
            return number
    return None


def _reaches(path: str, there: Collection[str]) -> bool:
    return path in there or any(known.startswith((f"{path}.", f"{path}[")) for known in there)


def _of_the_cluster(path: str) -> bool:
    return path.startswith(_THEIRS) or any(f"annotations[{note}" in path for note in _NOTES)
