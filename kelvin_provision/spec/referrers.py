"""Lists of what refers to a manifest (distribution-spec 1.1), of untrusted registries: which entries are worth a request. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.dense import is_dense
from kelvin_provision.refs import Descriptor, is_digest
from kelvin_provision.spec.media_types import OCI_INDEX, OCI_MANIFEST

_NO_TYPE = (None, "", "application/vnd.oci.empty.v1+json")
"""What some registries answer in place of the type of the manifest; its own word counts then."""


class NotStrict(ValueError):
    """These bytes are not one JSON object with each key once."""


@dataclass(frozen=True)
class Kind:
    """What is looked for: the type of the artifact, the size of its manifest at most, and how many are looked at.

    `takes` may refuse an entry of this type, or without one, by the annotations that the list has for it.
    """

    artifact_type: str
    largest: int
    most: int
    takes: Callable[[dict[str, Any]], bool] = lambda _: True


def referring(data: bytes, subject: str, kind: Kind) -> tuple[Descriptor, ...] | None:
    """Of a list of what refers to `subject`, the manifests that may be of this kind. None if it is no such list."""
    try:
        index = strict(data)
    except NotStrict:
        return None
    entries = index.get("manifests")
    if index.get("mediaType", OCI_INDEX) != OCI_INDEX or index.get("schemaVersion") != 2 or not isinstance(entries, list):
        return None
    manifests: dict[str, Descriptor] = {}
    for entry in entries:
        if len(manifests) < kind.most and isinstance(entry, dict) and _may_be(entry, kind) and entry["digest"] != subject:
            manifests[entry["digest"]] = Descriptor(OCI_MANIFEST, entry["digest"], entry["size"])
    return tuple(manifests.values())


def _may_be(entry: dict[str, Any], kind: Kind) -> bool:
    """What says of itself that it is something else is not asked for: it may have megabytes."""
    digest, size, declared = entry.get("digest"), entry.get("size"), entry.get("artifactType")
    if not isinstance(digest, str) or not is_digest(digest) or type(size) is not int or not 0 < size <= kind.largest:
        return False
    annotations = entry.get("annotations")
    of_kind = declared == kind.artifact_type or (declared in _NO_TYPE and "platform" not in entry)
    return of_kind and entry.get("mediaType") == OCI_MANIFEST and kind.takes(annotations if isinstance(annotations, dict) else {})


class _Members(dict[str, Any]):
    """A JSON object without repeated keys: of those, another reader could take another one."""


def strict(data: bytes) -> dict[str, Any]:
    """A JSON object, each key once, of no more values than a list has. Raises NotStrict."""
    if is_dense(data):
        raise NotStrict("more values than a document of its size has")
    try:
        document = json.loads(data, object_pairs_hook=_members)
    except (ValueError, RecursionError):
        raise NotStrict("not JSON, or with a key twice") from None
    if not isinstance(document, dict):
        raise NotStrict("not a JSON object")
    return document


def _members(pairs: list[tuple[str, Any]]) -> _Members:
    members = _Members(pairs)
    if len(members) != len(pairs):
        raise ValueError("a key is there twice")
    return members
