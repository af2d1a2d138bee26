"""What an apply would change: the live object beside what a dry run of the server answers. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kelvin_provision.cluster.labels import OWNER, REVISION
from kelvin_provision.cluster.plan import Change, Op, describe
from kelvin_provision.spec.fields import compare
from kelvin_provision.spec.workload import Object

ITSELF = frozenset({"managedFields", "resourceVersion", "generation", "creationTimestamp", "uid", "selfLink"})
SHOWN = 4
"""So many paths are named in a `why`; the rest is counted."""


def change(workload: str, live: Object | None, outcome: Object) -> Change:
    """One object's change. The revision's number alone is none. Values are never shown: they may be secret."""
    if live is None:
        return Change(Op.CREATE, workload, describe(outcome), "not on the cluster")
    paths = sorted(changed(without_server_fields(live), without_server_fields(outcome)))
    if not paths:
        return Change(Op.KEEP, workload, describe(outcome), "as it should be")
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    return Change(Op.UPDATE, workload, describe(outcome), ", ".join(paths[:SHOWN]) + more)


def gone(workload: str, live: Object) -> Change:
    """An object that the new revision lacks."""
    return Change(Op.DELETE, workload, describe(live), "no longer in the workload")


def without_server_fields(value: Object) -> Object:
    """An object without what the server writes by itself."""
    metadata = {key: item for key, item in value["metadata"].items() if key not in ITSELF}
    notes = {key: item for key, item in (metadata.pop("annotations", None) or {}).items() if key != REVISION}
    kept = {key: item for key, item in value.items() if key not in {"status", "metadata"}}
    return kept | {"metadata": metadata | {"annotations": notes}}


def version(value: Object | None) -> str:
    """The version of an object on the server, "" where it is not there: nothing to be read from but equality."""
    return str(((value or {}).get("metadata") or {}).get("resourceVersion") or "")


def changed(old: Any, new: Any) -> Iterator[str]:
    """Paths at which two documents differ."""
    return (field.path for field in compare(old, new))


def owned_by(value: Object | None, workload: str) -> bool:
    """Whether an object that is there may be changed in the name of this workload."""
    return value is None or ((value.get("metadata") or {}).get("labels") or {}).get(OWNER) == workload
