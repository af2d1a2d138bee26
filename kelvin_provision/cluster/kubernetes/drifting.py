"""What somebody else has changed on an object since we applied it: the server itself keeps who manages which field. Pure.

Comparing with what we sent would show the server's own defaults and spellings (`1024Mi` is `1Gi` there). The managers' record
(`metadata.managedFields`, FieldsV1) has none of that, and knows who and when; only what was taken away is not in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from kelvin_provision.cluster.kubernetes.objects import revision_of
from kelvin_provision.cluster.protocol import MANAGER, Drift, describe
from kelvin_provision.spec.fields import ABSENT, below, flat, step
from kelvin_provision.spec.veil import veiled
from kelvin_provision.spec.workload import Object

CLUSTER = frozenset({"kube-controller-manager", "kube-scheduler", "kube-apiserver", "kubelet", "cloud-controller-manager", "k3s"})
"""The cluster's own parts: what they write is their work and nobody's change."""

_THEIRS = ("status", "metadata.finalizers", "metadata.ownerReferences")
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
    ours, theirs = dict(flat(veiled(applied))), veiled(live)
    seen = set()
    for entry in (live.get("metadata") or {}).get("managedFields") or ():
        manager = str(entry.get("manager") or "")
        if manager == MANAGER or manager in CLUSTER or entry.get("subresource"):
            continue
        for path, value in _set(entry.get("fieldsV1") or {}, theirs, "", ours):
            if path not in seen and not _of_the_cluster(path) and ours.get(path, ABSENT) != value:
                seen.add(path)
                yield Drift(workload, what, path, ours.get(path, ABSENT), value, manager, str(entry.get("time") or ""))
    if revision_of(live) != revision_of(applied):
        return  # another revision of ours stands there, with other fields
    there = {path for path, _ in flat(theirs)}
    for path, value in ours.items():
        if value and not _reaches(path, there) and not path.startswith(("stringData", "metadata.namespace")):
            yield Drift(workload, what, path, value)


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


def _reaches(path: str, there: set[str]) -> bool:
    return path in there or any(known.startswith((f"{path}.", f"{path}[")) for known in there)


def _of_the_cluster(path: str) -> bool:
    return path.startswith(_THEIRS) or any(f"annotations[{note}" in path for note in _NOTES)
