"""The OCI artifact that has the deltas of one image: a manifest with `subject`, one layer for each changed layer of the image. Pure.

It is checked as hostile input, and not trusted afterwards either: what it says only decides which deltas are tried.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kelvin_provision.deltas import limits
from kelvin_provision.errors import DeltaInvalid
from kelvin_provision.files.dense import is_dense
from kelvin_provision.files.hashing import digest_of, has_digest
from kelvin_provision.refs import Descriptor, is_digest
from kelvin_provision.spec.media_types import CONFIGS, DOCUMENTS, INDEXES, OCI_MANIFEST

ARTIFACT_TYPE = "application/vnd.kelvin-provision.delta.v1+json"
LAYER_TYPE = "application/vnd.kelvin-provision.layer-delta.v1"
EMPTY = Descriptor("application/vnd.oci.empty.v1+json", digest_of(b"{}"), 2)
"""The config of an artifact that has none (OCI image-spec, manifest.md); its bytes are `{}`."""

_PREFIX = "kelvin-provision.delta."
FROM = _PREFIX + "from"
"""Annotation of the manifest: the digests of the configs of the images that it was made from, for people."""


@dataclass(frozen=True)
class DeltaLayer:
    """One changed layer: the delta is `blob`; it makes `size` bytes with the digest `diff_id` out of the layers `needs` (diff_ids).

    `replaces`: the digest of the compressed layer in the image's manifest, which need not be downloaded then. `memory`: the bytes of
    dictionaries that are held at once.
    """

    blob: Descriptor
    diff_id: str
    size: int
    needs: tuple[str, ...]
    replaces: str
    memory: int


@dataclass(frozen=True)
class DeltaArtifact:
    """`manifest` is that of the artifact; `subject` the digest of the manifest of the image that it makes.

    `documents`: the image's own manifest and config, which lie beside the deltas.
    """

    manifest: Descriptor
    subject: str
    layers: tuple[DeltaLayer, ...]
    documents: tuple[Descriptor, ...]

    @property
    def size(self) -> int:
        """Bytes of all deltas."""
        return sum(layer.blob.size for layer in self.layers)

    @property
    def needs(self) -> frozenset[str]:
        """The diff_ids of all layers that it is made from."""
        return frozenset(need for layer in self.layers for need in layer.needs)

    def blobs(self) -> tuple[Descriptor, ...]:
        """What a registry must have before it takes the manifest."""
        return (EMPTY, *self.documents, *(layer.blob for layer in self.layers))


def make(manifest: Descriptor, config: Descriptor, layers: Sequence[DeltaLayer], made_from: Sequence[str] = ()) -> tuple[bytes, Descriptor]:
    """The same deltas give the same bytes. `manifest` and `config` are those of the image; `made_from`: digests of configs."""
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": ARTIFACT_TYPE,
        "config": _described(EMPTY),
        "layers": [_described(manifest), _described(config), *map(_layer, layers)],
        "subject": _described(manifest),
        "annotations": {FROM: ",".join(made_from)},
    }
    data = json.dumps(document, separators=(",", ":")).encode()
    return data, Descriptor(OCI_MANIFEST, digest_of(data), len(data))


def _described(descriptor: Descriptor) -> dict[str, Any]:
    return {"mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size}


def _layer(layer: DeltaLayer) -> dict[str, Any]:
    values = {
        "diff-id": layer.diff_id,
        "size": str(layer.size),
        "needs": ",".join(layer.needs),
        "replaces": layer.replaces,
        "memory": str(layer.memory),
    }
    return _described(layer.blob) | {"annotations": {_PREFIX + key: value for key, value in values.items()}}


def read(data: bytes, descriptor: Descriptor) -> DeltaArtifact:
    """Raises DeltaInvalid, also for bytes that are not those of the descriptor."""
    if len(data) > limits.MANIFEST or len(data) != descriptor.size or not has_digest(data, descriptor.digest):
        raise _wrong("its manifest is not what its descriptor says")
    if is_dense(data):
        raise _wrong("its manifest has too many values")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _wrong("its manifest is not JSON") from error
    if not isinstance(document, dict) or document.get("artifactType") != ARTIFACT_TYPE or document.get("mediaType") != OCI_MANIFEST:
        raise _wrong("its manifest is of another type")
    entries = document.get("layers")
    if not isinstance(entries, list) or not 2 < len(entries) <= limits.LAYERS + 2:
        raise _wrong(f"it has no deltas, or more than {limits.LAYERS}")
    subject, *documents = (_descriptor(entry) for entry in (document.get("subject"), *entries[:2]))
    if subject != documents[0] or subject.media_type not in DOCUMENTS or subject.media_type in INDEXES:
        raise _wrong("its subject is not the manifest of an image")
    if documents[1].media_type not in CONFIGS:
        raise _wrong("it has no config of an image")
    layers = tuple(map(_read_layer, entries[2:]))
    if len({layer.diff_id for layer in layers}) != len(layers):
        raise _wrong("it makes a layer twice")
    return DeltaArtifact(descriptor, subject.digest, layers, tuple(documents))


def _read_layer(entry: Any) -> DeltaLayer:
    blob = _descriptor(entry)
    notes = entry.get("annotations")
    if blob.media_type != LAYER_TYPE or not isinstance(notes, dict):
        raise _wrong("a layer of another type")
    diff_id, replaces = (_digest(notes.get(_PREFIX + key)) for key in ("diff-id", "replaces"))
    needs = notes.get(_PREFIX + "needs")
    sources = needs.split(",", limits.SOURCES) if isinstance(needs, str) and needs else []
    if not 0 < len(sources) <= limits.SOURCES:
        raise _wrong(f"a delta that is made from no layer, or from more than {limits.SOURCES}")
    size, memory = _number(notes.get(_PREFIX + "size"), limits.SIZE), _number(notes.get(_PREFIX + "memory"), limits.HELD)
    return DeltaLayer(blob, diff_id, size, tuple(map(_digest, sources)), replaces, memory)


def _descriptor(entry: Any) -> Descriptor:
    fields = entry if isinstance(entry, dict) else {}
    kind, size = fields.get("mediaType"), fields.get("size")
    if not isinstance(kind, str) or len(kind) > 255 or type(size) is not int or not 0 <= size <= limits.SIZE:
        raise _wrong("a descriptor without a media type or a size")
    return Descriptor(kind, _digest(fields.get("digest")), size)


def _digest(value: Any) -> str:
    if not isinstance(value, str) or not is_digest(value):
        raise _wrong("a digest that is neither sha256 nor sha512")
    return value


def _number(value: Any, most: int) -> int:
    if not isinstance(value, str) or not value.isascii() or not value.isdigit() or len(value) > 15 or int(value) > most:
        raise _wrong("a size that is not a number in its range")
    return int(value)


def _wrong(what: str) -> DeltaInvalid:
    return DeltaInvalid(f"the delta cannot be used: {what}")
