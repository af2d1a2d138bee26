"""The layout's index.json as a value: which names it gives to which images. Pure; the store reads and writes it.

An entry carries two names: `io.containerd.image.name` is the one that never moves (`repo@sha256:...`);
`org.opencontainers.image.ref.name` is what people ask for, and belongs to the image that got it last.
"""

from __future__ import annotations

import json
from collections.abc import Container
from typing import Any

from kelvin_provision.spec.lock import ImageLock

MEDIA_TYPE = "application/vnd.oci.image.index.v1+json"
REF_NAME = "org.opencontainers.image.ref.name"
IMAGE_NAME = "io.containerd.image.name"

Entry = dict[str, Any]


def parse(data: bytes) -> list[Entry]:
    """The entries; raises ValueError when it is none of ours any more."""
    document = json.loads(data)
    entries = document.get("manifests") if isinstance(document, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) and "digest" in entry for entry in entries):
        raise ValueError("no list of manifests")
    return entries


def encode(entries: list[Entry]) -> bytes:
    """The document."""
    return json.dumps({"schemaVersion": 2, "mediaType": MEDIA_TYPE, "manifests": entries}, indent=1).encode() + b"\n"


def _names(entry: Entry) -> tuple[str, str]:
    notes = entry.get("annotations") or {}
    return notes.get(IMAGE_NAME, ""), notes.get(REF_NAME, "")


def with_lock(entries: list[Entry], lock: ImageLock) -> list[Entry]:
    """The image under both names; an older image that had the reference's name keeps only its own."""
    reference = str(lock.reference)
    entry: Entry = {
        "mediaType": lock.root.media_type,
        "digest": lock.root.digest,
        "size": lock.root.size,
        "annotations": {IMAGE_NAME: lock.name, REF_NAME: reference},
    }
    kept: list[Entry] = []
    for old in without_lock(entries, lock):
        name, ref = _names(old)
        moved = ref == reference and name
        kept.append(old | {"annotations": old["annotations"] | {REF_NAME: name}} if moved else old)
    return [*kept, entry]


def without_lock(entries: list[Entry], lock: ImageLock) -> list[Entry]:
    """Without the image's entry, whether or not its reference has moved on."""
    mine = {(lock.name, str(lock.reference)), (lock.name, lock.name)}
    return [entry for entry in entries if _names(entry) not in mine]


def only(entries: list[Entry], digests: Container[str]) -> list[Entry]:
    """The entries whose image stays."""
    return [entry for entry in entries if entry["digest"] in digests]
