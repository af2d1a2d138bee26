"""Plain Kubernetes objects of a request: that they are objects, ours to place, and each there once.

What is in them is the API server's to judge, in the plan's dry run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from kelvin_provision.spec.read.findings import Findings, Path, kind_of
from kelvin_provision.spec.workload import Object

MOST = 100
Placed = tuple[Path, Object]


def objects_of(values: Sequence[Any], path: Path, namespace: str, findings: Findings) -> tuple[Placed, ...]:
    """The objects with their paths, lists flattened. The namespace is this box's: another one in an object is refused."""
    before = len(findings.found)
    placed = [pair for number, value in enumerate(values) for pair in _flat(value, (*path, number), findings)]
    if not placed and len(findings.found) == before:
        findings.add(path, "empty; right is at least one Kubernetes object")
    if len(placed) > MOST:
        findings.add(path, f"{len(placed)} objects; right are at most {MOST}")
    seen: set[str] = set()
    for place, obj in placed:
        name = _name(obj, place, namespace, findings)
        if name in seen:
            findings.add(place, f"{name} is there twice; right is each object once")
        if name:
            seen.add(name)
    return tuple(placed)


def _flat(value: Any, path: Path, findings: Findings) -> Iterator[Placed]:
    if not isinstance(value, dict):
        findings.add(path, f"expected a mapping, got {kind_of(value)}")
    elif value.get("kind") == "List":
        items = value.get("items")
        if not isinstance(items, list):
            findings.add((*path, "items"), f"expected a list, got {kind_of(items)}")
            return
        for number, item in enumerate(items):
            yield from _flat(item, (*path, "items", number), findings)
    else:
        yield path, value


def _name(obj: Object, path: Path, namespace: str, findings: Findings) -> str | None:
    """`Kind/name`, or None with findings."""
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict):
        findings.add((*path, "metadata"), f"expected a mapping with a name, got {kind_of(metadata)}")
        metadata = {"name": "?"}
    wanted = ((obj, "apiVersion", path), (obj, "kind", path), (metadata, "name", (*path, "metadata")))
    wrong = [(place, key, holder.get(key)) for holder, key, place in wanted if not _is_text(holder.get(key))]
    for place, key, value in wrong:
        findings.add((*place, key), f"expected text, got {kind_of(value) if value != '' else 'an empty one'}")
    if metadata.get("namespace") not in {None, namespace}:
        findings.add((*path, "metadata", "namespace"), f"the namespace is set by this box; right is to leave it out, or {namespace}")
    return None if wrong or "metadata" not in obj else f"{obj['kind']}/{metadata['name']}"


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""
