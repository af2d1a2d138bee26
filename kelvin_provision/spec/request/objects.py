"""The plain Kubernetes objects of a request: each is an object, in the namespace of this box, and unique.

Their content is validated by the API server, in the dry run of the plan.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from kelvin_provision.spec.read.findings import Findings, Path, type_of
from kelvin_provision.spec.workload import Object

MAX_OBJECTS = 100
Placed = tuple[Path, Object]


def objects_of(values: Sequence[Any], path: Path, namespace: str, findings: Findings) -> tuple[Placed, ...]:
    """The objects with their paths, with lists flattened. A namespace other than that of this box is refused."""
    before = len(findings.errors)
    placed = [pair for number, value in enumerate(values) for pair in _flat(value, (*path, number), findings)]
    if not placed and len(findings.errors) == before:
        findings.add(path, "empty; expected at least one Kubernetes object")
    if len(placed) > MAX_OBJECTS:
        findings.add(path, f"{len(placed)} objects; the limit is {MAX_OBJECTS}")
    names: set[str] = set()
    for object_path, obj in placed:
        name = _name(obj, object_path, namespace, findings)
        if name in names:
            findings.add(object_path, f"duplicate object {name}; objects must be unique")
        if name:
            names.add(name)
    return tuple(placed)


def _flat(value: Any, path: Path, findings: Findings) -> Iterator[Placed]:
    if not isinstance(value, dict):
        findings.add(path, f"expected a mapping, got {type_of(value)}")
    elif value.get("kind") == "List":
        items = value.get("items")
        if not isinstance(items, list):
            findings.add((*path, "items"), f"expected a list, got {type_of(items)}")
            return
        for number, item in enumerate(items):
            yield from _flat(item, (*path, "items", number), findings)
    else:
        yield path, value


def _name(obj: Object, path: Path, namespace: str, findings: Findings) -> str | None:
    """`Kind/name`, or None with findings."""
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict):
        findings.add((*path, "metadata"), f"expected a mapping with a name, got {type_of(metadata)}")
        metadata = {"name": "?"}
    required = ((obj, "apiVersion", path), (obj, "kind", path), (metadata, "name", (*path, "metadata")))
    invalid = [(parent, key, mapping.get(key)) for mapping, key, parent in required if not _is_text(mapping.get(key))]
    for parent, key, value in invalid:
        findings.add((*parent, key), f"expected text, got {type_of(value) if value != '' else 'empty text'}")
    if metadata.get("namespace") not in {None, namespace}:
        findings.add((*path, "metadata", "namespace"), f"the namespace is a setting of this box; remove it, or use {namespace}")
    return None if invalid or "metadata" not in obj else f"{obj['kind']}/{metadata['name']}"


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""
