"""The plain Kubernetes objects of a request: lists opened, nulls and the server's own fields left out, each with the shape of its kind,
in a namespace that it names or in that of this box, and unique.

What is only a matter of values is validated by the API server, in the dry run of the plan.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from kelvin_provision.spec.kinds.cleaning import without_nulls, without_server_fields
from kelvin_provision.spec.kinds.exported import controller_of, without_assigned
from kelvin_provision.spec.kinds.lists import is_list, with_kind_of
from kelvin_provision.spec.kinds.shapes import Misshape, is_known, misshapes, unknown_keys
from kelvin_provision.spec.read.findings import Findings, Path, type_of
from kelvin_provision.spec.read.templates import HELM_TEMPLATE, is_helm_template
from kelvin_provision.spec.references import references_in
from kelvin_provision.spec.request.other_files import in_place_of_an_object
from kelvin_provision.spec.workload import Object

MAX_OBJECTS = 100
MOST_NAMED = 3
_IDENTITY = frozenset({"apiVersion", "kind", "metadata"})
_NO_OBJECT = (
    "not a Kubernetes object: apiVersion, kind and metadata are missing; of a Helm chart give the output of `helm template`, not its values"
)
_REQUIRED = "required field is missing; each object needs apiVersion, kind and metadata.name"
_HELD_BACK = {"Deployment": "paused", "Job": "suspend"}
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
Placed = tuple[Path, Object]


def objects_of(values: Sequence[Any], path: Path, namespace: str, findings: Findings) -> tuple[Placed, ...]:
    """The objects with their paths. `namespace` is that of this box."""
    before = len(findings.errors)
    flat = [pair for number, value in enumerate(values) for pair in _flat(value, (*path, number), findings)]
    placed = _without_made(flat, path, findings)
    if not placed and len(findings.errors) == before:
        findings.add(path, "empty; expected at least one Kubernetes object")
    if len(placed) > MAX_OBJECTS:
        findings.add(path, f"{len(placed)} objects; the limit is {MAX_OBJECTS}")
    identities: set[tuple[str, str]] = set()
    objects: list[Placed] = []
    dropped: list[str] = []
    for object_path, given in placed:
        named = _named(given, object_path, namespace, findings)
        if named is None:
            continue
        chosen, assigned = without_assigned(given)
        obj, made = without_server_fields(chosen)
        made = (*made, *assigned)
        identity = (str(obj["apiVersion"]).rpartition("/")[0], named)
        if identity in identities:
            findings.add(object_path, f"duplicate object {named}; objects must be unique")
        identities.add(identity)
        dropped += [f"{named} ({', '.join(made)})"] if made else []
        if _has_its_shape(obj, named, object_path, findings):
            objects.append((object_path, obj))
    if dropped:
        findings.warn(path, f"fields that the API server sets are left out: {_named_of(dropped)}")
    return tuple(objects)


def _named_of(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more object{'s' if more > 1 else ''}" if more > 0 else "")


def _without_made(placed: Sequence[Placed], path: Path, findings: Findings) -> list[Placed]:
    """Without what controllers among the objects make by themselves, as an export of everything has it: pods, ReplicaSets, Jobs."""
    given = {(str(obj.get("kind")), _name_of(obj)) for _, obj in placed}
    made = [f"{obj.get('kind')}/{_name_of(obj)}" for _, obj in placed if controller_of(obj) in given]
    if made:
        findings.warn(path, f"objects that a controller in the request creates are left out: {_named_of(made)}")
    return [(place, obj) for place, obj in placed if controller_of(obj) not in given]


def _name_of(obj: Object) -> Any:
    metadata = obj.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return name if isinstance(name, str) else None


def _flat(value: Any, path: Path, findings: Findings) -> Iterator[Placed]:
    if not isinstance(value, dict):
        findings.add(path, f"expected a mapping, got {type_of(value)}")
        return
    value = without_nulls(value)
    if is_list(value):
        items = value.get("items")
        if not isinstance(items, list):
            findings.add((*path, "items"), f"expected a list, got {type_of(items)}")
            return
        for number, item in enumerate(items):
            yield from _flat(with_kind_of(value, item), (*path, "items", number), findings)
    elif what := in_place_of_an_object(value):
        findings.add(path, what)
    else:
        yield path, value


def _named(obj: Object, path: Path, namespace: str, findings: Findings) -> str | None:
    """`Kind/name`, or `Kind/namespace/name` in another namespace than that of this box, or None with findings."""
    metadata = obj.get("metadata")
    if obj.keys().isdisjoint(_IDENTITY):
        findings.add(path, _NO_OBJECT)
        return None
    if not isinstance(metadata, dict):
        findings.add((*path, "metadata"), f"expected a mapping with a name, got {type_of(metadata)}")
        metadata = {"name": "?"}
    elif "name" not in metadata and "generateName" in metadata:
        message = "each update would create another object with a generated name; use metadata.name instead"
        findings.add((*path, "metadata", "generateName"), message)
        return None
    required = ((obj, "apiVersion", path), (obj, "kind", path), (metadata, "name", (*path, "metadata")))
    invalid = [(parent, key, mapping.get(key)) for mapping, key, parent in required if not _is_text(mapping.get(key))]
    for parent, key, value in invalid:
        findings.add(
            (*parent, key), _REQUIRED if value is None else f"expected text, got {type_of(value) if value != '' else 'empty text'}"
        )
    own = metadata.get("namespace")
    if own is not None and not (isinstance(own, str) and _NAMESPACE.fullmatch(own)):
        message = f"expected a namespace name (lower-case letters, digits and -), or no value for {namespace}"
        findings.add((*path, "metadata", "namespace"), message)
    elsewhere = f"{own}/" if isinstance(own, str) and own != namespace else ""
    return None if invalid or "metadata" not in obj else f"{obj['kind']}/{elsewhere}{metadata['name']}"


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _has_its_shape(obj: Object, named: str, path: Path, findings: Findings) -> bool:
    """Adds findings for what no cluster could take, and warnings for what only a newer one could."""
    if (place := _helm_action(obj, ())) is not None:
        findings.add((*path, *place), f"{named}: {HELM_TEMPLATE}")
        return False
    if obj["kind"] == "ConfigMap" and any(references_in(obj)):
        findings.add(path, f"{named}: a ConfigMap must not refer to secrets; use a Secret")
    wrong = misshapes(obj)
    for misshape in wrong:
        findings.add((*path, *misshape.path), _message(named, misshape))
    held = _HELD_BACK.get(obj["kind"])
    if not wrong and held and (obj.get("spec") or {}).get(held) is True:
        findings.warn((*path, "spec", held), f"{named}: spec.{held} is true, so it cannot come up; remove that key")
    for misshape in () if wrong else unknown_keys(obj):
        findings.warn((*path, *misshape.path), f"{_message(named, misshape)}; the cluster may refuse it")
    return not wrong


def _message(named: str, misshape: Misshape) -> str:
    return f"{named}: {misshape}"


def _helm_action(value: Any, path: Path) -> Path | None:
    """Where an object has an action of Helm. Files of a ConfigMap or a Secret, and what is in a custom resource, are for others to read."""
    if isinstance(value, str):
        return path if is_helm_template(value) else None
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    is_custom = not path and not is_known(value)
    for step, item in pairs:
        if path or step not in ({"spec", "data"} if is_custom else {"data", "stringData"}):
            place = _helm_action(item, (*path, step))
            if place is not None:
                return place
    return None
