"""The referrers tag: the list of what refers to a manifest, at registries without the referrers API (distribution-spec 1.1).

Two writers at once: the one who wrote first adds itself again, once it sees that it is missing.
"""

from __future__ import annotations

import json
from typing import Any

from kelvin_provision.errors import ImageUnsupported, ManifestInvalid, RegistryRefused
from kelvin_provision.registry import manifests
from kelvin_provision.spec.media_types import OCI_INDEX


def entry_of(manifest: dict[str, Any], digest: str, size: int, media_type: str) -> dict[str, Any]:
    """The row of the list for this manifest."""
    config = manifest.get("config")
    kind = manifest.get("artifactType") or (config.get("mediaType") if isinstance(config, dict) else None)
    row: dict[str, Any] = {"mediaType": media_type, "digest": digest, "size": size}
    if isinstance(kind, str):
        row["artifactType"] = kind
    if isinstance(manifest.get("annotations"), dict):
        row["annotations"] = manifest["annotations"]
    return row


def rows_of(data: bytes | None, tag: str) -> list[Any]:
    """The rows of the present list. Anything else under this tag is not replaced: raises RegistryRefused."""
    if data is None:
        return []
    try:
        index = manifests.parse(data, tag)
    except (ManifestInvalid, ImageUnsupported):
        index = {}
    rows = index.get("manifests")
    if index.get("mediaType", OCI_INDEX) != OCI_INDEX or not isinstance(rows, list):
        raise RegistryRefused(f"the tag {tag} is not a list of what refers to a manifest", hint="remove the tag at the registry")
    return rows


def with_entry(rows: list[Any], row: dict[str, Any]) -> bytes | None:
    """The list with this row, None where it has it."""
    if any(isinstance(other, dict) and other.get("digest") == row["digest"] for other in rows):
        return None
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [*rows, row]}
    return json.dumps(index, separators=(",", ":")).encode()
