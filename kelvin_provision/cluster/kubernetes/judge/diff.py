"""What an apply would change: the live object compared with the result of the server's dry run. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kelvin_provision.cluster.labels import HOME, OWNER, REVISION
from kelvin_provision.cluster.plan import Change, Op, describe
from kelvin_provision.spec.diff.fields import compare
from kelvin_provision.spec.workload import Object

SERVER_FIELDS = frozenset({"managedFields", "resourceVersion", "generation", "creationTimestamp", "uid", "selfLink"})
MAX_PATHS = 4
"""A `why` names this many paths and counts the others."""


def change(workload: str, live: Object | None, outcome: Object) -> Change:
    """Describe the change by paths only: values may be secret. A new revision number alone is no change."""
    if live is None:
        return Change(Op.CREATE, workload, describe(outcome), "not on the cluster")
    paths = sorted(changed_paths(without_server_fields(live), without_server_fields(outcome)))
    if not paths:
        return Change(Op.KEEP, workload, describe(outcome), "unchanged")
    more = f" and {len(paths) - MAX_PATHS} more" if len(paths) > MAX_PATHS else ""
    return Change(Op.UPDATE, workload, describe(outcome), ", ".join(paths[:MAX_PATHS]) + more)


def deletion(workload: str, live: Object) -> Change:
    """The change for an object that the new revision no longer has."""
    return Change(Op.DELETE, workload, describe(live), "no longer in the workload")


def without_server_fields(item: Object) -> Object:
    """Copy an object without the fields that the server sets and without our revision number."""
    metadata = {name: value for name, value in item["metadata"].items() if name not in SERVER_FIELDS}
    annotations = {name: value for name, value in (metadata.pop("annotations", None) or {}).items() if name != REVISION}
    rest = {name: value for name, value in item.items() if name not in {"status", "metadata"}}
    return rest | {"metadata": metadata | {"annotations": annotations}}


def resource_version(item: Object | None) -> str:
    """Opaque: compare it for equality only. Empty if the object does not exist."""
    return str(((item or {}).get("metadata") or {}).get("resourceVersion") or "")


def changed_paths(old: Any, new: Any) -> Iterator[str]:
    return (field.path for field in compare(old, new))


def owned_by(live: Object | None, workload: str, item: Object) -> bool:
    """Whether the workload may change the object, of which `item` is the desired state. True if it does not exist."""
    if live is None:
        return True
    labels = (live.get("metadata") or {}).get("labels") or {}
    home, own = labels.get(HOME), ((item.get("metadata") or {}).get("labels") or {}).get(HOME)
    # An earlier version did not write the label on objects of the cluster.
    unknown = not (live.get("metadata") or {}).get("namespace") and None in {home, own}
    return labels.get(OWNER) == workload and (home == own or unknown)


def foreign(item: Object, live: Object | None) -> str:
    """Explain why a live object is not changed."""
    owner = ((live or {}).get("metadata") or {}).get("labels", {}).get(OWNER)
    reason = f"belongs to workload {owner}" if owner else "is not managed by kelvin-provision"
    return f"{describe(item)} already exists and {reason}"
