"""The layout's index.json as a value: the names of each image. Pure; `index_file` reads and writes it.

An entry carries two names: `io.containerd.image.name` never moves (`repo@sha256:...`); `org.opencontainers.image.ref.name` is the
reference that was deployed, and belongs to the image that was tagged with it last.
"""

from __future__ import annotations

import json
from collections.abc import Container
from typing import Any

from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.media_types import OCI_INDEX

REF_NAME = "org.opencontainers.image.ref.name"
IMAGE_NAME = "io.containerd.image.name"

Entry = dict[str, Any]


def parse(data: bytes) -> list[Entry]:
    """Raises ValueError for a damaged document."""
    document = json.loads(data)
    entries = document.get("manifests") if isinstance(document, dict) else None
    if not isinstance(entries, list) or not all(map(_is_entry, entries)):
        raise ValueError("no list of manifests")
    return entries


def _is_entry(entry: object) -> bool:
    """Whether it has what is used of it; a file of another program, or of another time, may have anything."""
    if not isinstance(entry, dict) or not isinstance(entry.get("digest"), str):
        return False
    annotations = entry.get("annotations") or {}
    return isinstance(annotations, dict) and all(isinstance(value, str) for value in annotations.values())


def encode(entries: list[Entry]) -> bytes:
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}, indent=1).encode() + b"\n"


def _names(entry: Entry) -> tuple[str, str]:
    annotations = entry.get("annotations") or {}
    return annotations.get(IMAGE_NAME, ""), annotations.get(REF_NAME, "")


def tag(entries: list[Entry], lock: ImageLock) -> list[Entry]:
    """Add the image under both names; an older image that had the same reference keeps only its digest name."""
    reference = str(lock.reference)
    tagged: Entry = {
        "mediaType": lock.root.media_type,
        "digest": lock.root.digest,
        "size": lock.root.size,
        "annotations": {IMAGE_NAME: lock.name, REF_NAME: reference},
    }
    others: list[Entry] = []
    for entry in untag(entries, lock):
        name, ref_name = _names(entry)
        moved = ref_name == reference and name
        others.append(entry | {"annotations": entry["annotations"] | {REF_NAME: name}} if moved else entry)
    return [*others, tagged]


def untag(entries: list[Entry], lock: ImageLock) -> list[Entry]:
    """Remove the image's entry, whether or not its reference has moved on."""
    names = {(lock.name, str(lock.reference)), (lock.name, lock.name)}
    return [entry for entry in entries if _names(entry) not in names]


def only(entries: list[Entry], digests: Container[str]) -> list[Entry]:
    return [entry for entry in entries if entry["digest"] in digests]
