"""What other tools read of a bundle: `index.json` (skopeo, containerd) and `manifest.json` (Docker Engine). Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from kelvin_provision.bundles.model import BundledImage
from kelvin_provision.files.tar_members import blob_path
from kelvin_provision.refs import Descriptor
from kelvin_provision.spec.media_types import OCI_INDEX


def index_json(images: Sequence[tuple[BundledImage, Descriptor]]) -> bytes:
    """Each name once, with the descriptor of its index, or of its manifest where there is no index."""
    rows = {(name_of(image), root.digest): _row(image, root) for image, root in images}
    return _encoded({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(rows.values())})


def manifest_json(images: Sequence[BundledImage]) -> bytes:
    """Of several platforms with one name, the first has it: Docker Engine knows no platforms here."""
    rows: dict[str, dict[str, Any]] = {}
    named: set[str] = set()
    for image in images:
        layers = [blob_path(layer.digest) for layer in image.layers]
        row = rows.setdefault(image.manifest, {"Config": blob_path(image.config), "RepoTags": [], "Layers": layers})
        name = _tagged(image)
        if name and name not in named:
            row["RepoTags"].append(name)
            named.add(name)
    return _encoded(list(rows.values()))


def name_of(image: BundledImage) -> str:
    """By its tag, or by its digest if it has none."""
    return _tagged(image) or f"{image.reference.name}@{image.index or image.manifest}"


def _tagged(image: BundledImage) -> str | None:
    return str(replace(image.reference, digest=None)) if image.reference.tag else None


def _row(image: BundledImage, root: Descriptor) -> dict[str, Any]:
    name = name_of(image)
    annotations = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name}
    return {"mediaType": root.media_type, "digest": root.digest, "size": root.size, "annotations": annotations}


def _encoded(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
