"""Lists of objects: `List`, and each kind's own. Pure."""

from __future__ import annotations

from typing import Any

from kelvin_provision.spec.workload import Object


def is_list(value: Object) -> bool:
    """An object with a name is not a list, whatever its kind is called."""
    kind, metadata = value.get("kind"), value.get("metadata")
    if kind == "List":
        return True
    has_name = isinstance(metadata, dict) and "name" in metadata
    return isinstance(kind, str) and kind.endswith("List") and "items" in value and not has_name


def with_kind_of(several: Object, item: Any) -> Any:
    """The API server leaves kind and version out of the items of a kind's own list."""
    kind = several["kind"].removesuffix("List")
    if not kind or not isinstance(item, dict):
        return item
    return {"apiVersion": several.get("apiVersion"), "kind": kind} | {key: value for key, value in item.items() if value is not None}
