"""What an apply would change: the live object beside what a dry run of the server answers. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kelvin_provision.cluster.protocol import OWNER, REVISION, Change, Op, describe
from kelvin_provision.spec.workload import Object

ITSELF = frozenset({"managedFields", "resourceVersion", "generation", "creationTimestamp", "uid", "selfLink"})
SHOWN = 4
"""So many paths are named in a `why`; the rest is counted."""


def change(workload: str, live: Object | None, outcome: Object) -> Change:
    """One object's change. The revision's number alone is none. Values are never shown: they may be secret."""
    if live is None:
        return Change(Op.CREATE, workload, describe(outcome), "not on the cluster")
    paths = sorted(changed(meaning(live), meaning(outcome)))
    if not paths:
        return Change(Op.KEEP, workload, describe(outcome), "as it should be")
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    return Change(Op.UPDATE, workload, describe(outcome), ", ".join(paths[:SHOWN]) + more)


def gone(workload: str, live: Object) -> Change:
    """An object that the new revision lacks."""
    return Change(Op.DELETE, workload, describe(live), "no longer in the workload")


def meaning(value: Object) -> Object:
    """An object without what the server writes by itself."""
    metadata = {key: item for key, item in value["metadata"].items() if key not in ITSELF}
    notes = {key: item for key, item in (metadata.pop("annotations", None) or {}).items() if key != REVISION}
    kept = {key: item for key, item in value.items() if key not in {"status", "metadata"}}
    return kept | {"metadata": metadata | {"annotations": notes}}


def changed(old: Any, new: Any, path: str = "") -> Iterator[str]:
    """Paths at which two documents differ, as deep as they can be named: `spec.template.spec.containers[app].image`."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in old.keys() | new.keys():
            below = f"{path}.{key}" if path else str(key)
            if key not in old or key not in new:
                yield below
            else:
                yield from changed(old[key], new[key], below)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _entries(old, new, path)
    elif old != new:
        yield path


def _entries(old: list[Any], new: list[Any], path: str) -> Iterator[str]:
    """Lists of named things are compared by name, others by place."""
    before, after = _named(old), _named(new)
    if before is not None and after is not None:
        for name in before.keys() | after.keys():
            below = f"{path}[{name}]"
            if name in before and name in after:
                yield from changed(before[name], after[name], below)
            else:
                yield below
        if before.keys() == after.keys() and list(before) != list(after):
            yield path
    elif len(old) != len(new):
        yield path
    else:
        for number, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from changed(one, other, f"{path}[{number}]")


def _named(items: list[Any]) -> dict[str, Any] | None:
    if not all(isinstance(item, dict) and "name" in item for item in items):
        return None
    found = {str(item["name"]): item for item in items}
    return found if len(found) == len(items) else None


def owned_by(value: Object | None, workload: str) -> bool:
    """Whether an object that is there may be changed in the name of this workload."""
    return value is None or ((value.get("metadata") or {}).get("labels") or {}).get(OWNER) == workload
