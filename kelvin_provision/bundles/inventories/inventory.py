"""What a box has already, as a document that it gives to a desk: `bundle create --for FILE` leaves that out.

It is not signed, and nothing depends on it: a bundle that needs what a box does not have is refused there before anything is copied.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.refs import Platform

SCHEMA = 1
MEDIA_TYPE = "application/vnd.kelvin-provision.inventory.v1+json"
SUFFIX = ".inventory.json"
MOST_BYTES = 16 << 20
LAYERS, IMAGES, REVISIONS, SERIALS = 32_768, 4096, 16_384, 1024
"""What one inventory may have of each; a box that has more leaves the rest out, which is sent to it again then."""
STORE, RUNTIME = "store", "runtime"
SLOTS = ("running", "staged", "kept")
_TEXT = 1024


@dataclass(frozen=True)
class KnownLayer:
    """`where` is `STORE` or `RUNTIME`: both give it to staging by its digest."""

    digest: str
    size: int
    diff_id: str
    where: str


@dataclass(frozen=True)
class KnownImage:
    """`in_runtime` is None where the runtime does not answer."""

    reference: str
    platform: Platform
    manifest: str
    config: str
    in_store: bool
    in_runtime: bool | None


@dataclass(frozen=True)
class KnownRevision:
    """`slot` is one of `SLOTS`."""

    workload: str
    revision: int
    version: str
    slot: str


@dataclass(frozen=True)
class Inventory:
    """Of one box. `taken` is for people only. `serials` has the highest one of each signer, `trust` the number of the trust document.

    `free` bytes are those of the filesystems of store and runtime, None where they are not known.
    """

    box: str
    platform: Platform
    made_by: str
    taken: str
    layers: tuple[KnownLayer, ...] = ()
    images: tuple[KnownImage, ...] = ()
    revisions: tuple[KnownRevision, ...] = ()
    serials: tuple[tuple[str, int], ...] = ()
    trust: int | None = None
    free_store: int | None = None
    free_runtime: int | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "kind": MEDIA_TYPE,
            "box": _short(self.box),
            "platform": str(self.platform),
            "made_by": self.made_by,
            "taken": self.taken,
            "layers": [_layer_document(layer) for layer in self.layers[:LAYERS]],
            "images": [_image_document(image) for image in self.images[:IMAGES]],
            "revisions": [
                {"workload": each.workload, "revision": each.revision, "version": _short(each.version), "slot": each.slot}
                for each in self.revisions[:REVISIONS]
            ],
            "serials": [{"signer": _short(signer), "serial": serial} for signer, serial in self.serials[:SERIALS]],
            "trust": self.trust,
            "free": {STORE: self.free_store, RUNTIME: self.free_runtime},
        }


def file_name(box: str) -> str:
    """What the file of a box is called in a folder."""
    return f"{safe_name(box)}{SUFFIX}"


def safe_name(text: str) -> str:
    """As a part of a file's name on any filesystem."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)[:64].lstrip(".-") or "box"


def encode(document: Mapping[str, Any]) -> bytes:
    """Of `Inventory.to_json`: one line; the same value gives the same bytes."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"


def _layer_document(layer: KnownLayer) -> dict[str, Any]:
    return {"digest": layer.digest, "size": layer.size, "diff_id": layer.diff_id, "in": layer.where}


def _image_document(image: KnownImage) -> dict[str, Any]:
    return {
        "reference": image.reference,
        "platform": str(image.platform),
        "manifest": image.manifest,
        "config": image.config,
        "in_store": image.in_store,
        "in_runtime": image.in_runtime,
    }


def _short(text: str) -> str:
    """As the reader takes it."""
    return "".join(sign if sign.isprintable() else "?" for sign in text[:_TEXT])
