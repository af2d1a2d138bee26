"""Objects without nulls and without the fields that only the API server sets. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kelvin_provision.spec.workload import Object

SERVER_FIELDS = (
    "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink",
    "managedFields",
)  # fmt: skip
COPIES = ("kubectl.kubernetes.io/last-applied-configuration", "deployment.kubernetes.io/revision")
"""Annotations of an exported object: kubectl's copy of all of it, secrets included, and a controller's count."""


def without_nulls(value: Any) -> Any:
    """A copy in which a key with null is absent, at every depth, and a whole number is an integer, as they are for kubectl.

    A null in a list stays: without it the others would have another place.
    """
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**63 else value


def without_server_fields(item: Object) -> tuple[Object, tuple[str, ...]]:
    """A copy without them, and the names of those that said something."""
    made: list[str] = []
    cleaned: Object = {key: value for key, value in item.items() if key != "status"}
    if _says(item.get("status")):
        made.append("status")
    for path in _metadata_paths(item):
        cleaned = _with_metadata(cleaned, path, made)
    return cleaned, tuple(dict.fromkeys(made))


def _metadata_paths(item: Object) -> Iterator[tuple[str | int, ...]]:
    """Where an object has metadata: its own, its pod template's, and those of its claims."""
    yield ()
    for path in (("spec", "template"), ("spec", "jobTemplate"), ("spec", "jobTemplate", "spec", "template")):
        if isinstance(_at(item, path), dict):
            yield path
    claims = _at(item, ("spec", "volumeClaimTemplates"))
    if isinstance(claims, list):
        yield from (("spec", "volumeClaimTemplates", number) for number, claim in enumerate(claims) if isinstance(claim, dict))


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _with_metadata(value: Any, path: tuple[str | int, ...], made: list[str]) -> Any:
    """A copy of the document in which the object at this path has no fields of the server."""
    if path:
        step, *rest = path
        copied = value.copy()
        copied[step] = _with_metadata(value[step], tuple(rest), made)
        return copied
    metadata = value.get("metadata")
    rest_of_it = {key: item for key, item in value.items() if key != "status"}
    return rest_of_it | {"metadata": _of_a_person(metadata, made)} if isinstance(metadata, dict) else rest_of_it


def _of_a_person(metadata: Object, made: list[str]) -> Object:
    kept: Object = {}
    for key, value in metadata.items():
        if key in SERVER_FIELDS:
            made += [f"metadata.{key}"] if _says(value) else []
        elif key == "ownerReferences" and isinstance(value, list):
            others = [entry for entry in value if not (isinstance(entry, dict) and entry.get("controller") is True)]
            made += [] if others == value else ["metadata.ownerReferences"]
            kept |= {key: others} if others or not value else {}
        elif key == "annotations" and isinstance(value, dict):
            kept[key] = {name: text for name, text in value.items() if name not in COPIES}
            made += [f"the annotation {name}" for name in COPIES if name in value]
        else:
            kept[key] = value
    return kept


def _says(value: Any) -> bool:
    """Whether there is more than empty texts, lists and mappings, as generators of manifests write them."""
    if isinstance(value, dict | list):
        return any(_says(item) for item in (value.values() if isinstance(value, dict) else value))
    return value not in {None, ""}
