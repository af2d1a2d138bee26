"""What an apply would change: the live object compared with the result of the server's dry run. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kelvin_provision.cluster.labels import OWNER, REVISION
from kelvin_provision.cluster.plan import Change, Op, describe
from kelvin_provision.spec.diff.fields import compare
from kelvin_provision.spec.workload import Object

SERVER_FIELDS = frozenset({"managedFields", "resourceVersion", "generation", "creationTimestamp", "uid", "selfLink"})
MAX_PATHS = 4
"""So many paths are named in a `why`; the others are counted."""


def change(workload: str, live: Object | None, outcome: Object) -> Change:
    """Of one object. Another revision number alone is no change. Values are never shown: they may be secret."""
    if live is None:
        return Change(Op.CREATE, workload, describe(outcome), "not on the cluster")
    paths = sorted(changed_paths(without_server_fields(live), without_server_fields(outcome)))
    if not paths:
        return Change(Op.KEEP, workload, describe(outcome), "unchanged")
    more = f" and {len(paths) - MAX_PATHS} more" if len(paths) > MAX_PATHS else ""
    return Change(Op.UPDATE, workload, describe(outcome), ", ".join(paths[:MAX_PATHS]) + more)


def deletion(workload: str, live: Object) -> Change:
    """Of an object that the new revision does not have."""
    return Change(Op.DELETE, workload, describe(live), "no longer in the workload")


def without_server_fields(item: Object) -> Object:
    """Without what the server writes by itself, and without our revision number."""
    metadata = {name: value for name, value in item["metadata"].items() if name not in SERVER_FIELDS}
    annotations = {name: value for name, value in (metadata.pop("annotations", None) or {}).items() if name != REVISION}
    rest = {name: value for name, value in item.items() if name not in {"status", "metadata"}}
    return rest | {"metadata": metadata | {"annotations": annotations}}


def resource_version(item: Object | None) -> str:
    """To be compared for equality only; empty where the object does not exist."""
    return str(((item or {}).get("metadata") or {}).get("resourceVersion") or "")


def changed_paths(old: Any, new: Any) -> Iterator[str]:
    return (field.path for field in compare(old, new))


def owned_by(live: Object | None, workload: str) -> bool:
    """Whether we may change the object in the name of this workload. True where there is none."""
    return live is None or ((live.get("metadata") or {}).get("labels") or {}).get(OWNER) == workload


def foreign(item: Object, live: Object | None) -> str:
    """Why a live object that `owned_by` denies is left alone."""
    owner = ((live or {}).get("metadata") or {}).get("labels", {}).get(OWNER)
    reason = f"belongs to workload {owner}" if owner else "is not managed by kelvin-provision"
    return f"{describe(item)} already exists and {reason}"
