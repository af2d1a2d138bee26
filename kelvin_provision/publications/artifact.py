"""The OCI manifest of a publication or a report: a document, its signatures, and the blobs that the document names. Pure.

The manifest is not signed, and of it only two descriptors count: where the document and the signatures are. The blobs of requests stand in
it so that the registry keeps them; their digests are believed of the document. Small documents are embedded (`data` of the image
specification), so that they need no request of their own.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable
from typing import Any

from kelvin_provision.bundles.strict import Strict
from kelvin_provision.errors import PublicationInvalid
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.dense import is_dense
from kelvin_provision.files.hashing import digest_of, has_digest
from kelvin_provision.publications import limits
from kelvin_provision.refs import Descriptor
from kelvin_provision.spec.media_types import OCI_MANIFEST
from kelvin_provision.trust.dsse import PUBLICATION, REPORT

SIGNATURES_TYPE = "application/vnd.kelvin-provision.signatures.v1+json"
REQUEST_TYPE = "application/vnd.kelvin-provision.request.v1"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
EMPTY = b"{}"
"""The config of every artifact without one (image-spec, guidelines for artifact usage)."""
_MOST = {PUBLICATION: limits.DOCUMENT, REPORT: limits.REPORT}


@dataclass(frozen=True)
class Part:
    """A document by its descriptor; `data` are its bytes where they are embedded, verified by the digest."""

    descriptor: Descriptor
    data: bytes | None = None


@dataclass(frozen=True)
class Artifact:
    """`type` is that of the document, and of what was signed."""

    type: str
    document: Part
    signatures: Part


@dataclass(frozen=True)
class MadeArtifact:
    """`blobs` are to be pushed before the manifest."""

    manifest: bytes
    digest: str
    blobs: tuple[tuple[Descriptor, bytes], ...]


def make(artifact_type: str, document: bytes, signatures: bytes, requests: Iterable[Descriptor] = ()) -> MadeArtifact:
    """`requests` are blobs that the document names, which are pushed by the caller."""
    blobs = tuple(
        (_descriptor(kind, data), data) for kind, data in ((EMPTY_TYPE, EMPTY), (artifact_type, document), (SIGNATURES_TYPE, signatures))
    )
    (config, _), *parts = blobs
    embed = len(document) <= limits.EMBEDDED
    layers = [_row(descriptor, data if embed else None) for descriptor, data in parts]
    layers += [_row(descriptor) for descriptor in {request.digest: request for request in requests}.values()]
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": artifact_type,
        "config": _row(config),
        "layers": layers,
    }
    data = json.dumps(manifest, separators=(",", ":")).encode()
    return MadeArtifact(data, digest_of(data), blobs)


def request_descriptor(data: bytes) -> Descriptor:
    return _descriptor(REQUEST_TYPE, data)


def _descriptor(media_type: str, data: bytes) -> Descriptor:
    return Descriptor(media_type, digest_of(data), len(data))


def _row(descriptor: Descriptor, data: bytes | None = None) -> dict[str, Any]:
    embedded = {} if data is None else {"data": base64.b64encode(data).decode()}
    return {"mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size} | embedded


# --- reading ----------------------------------------------------------------------------------------


def _wrong(what: str) -> PublicationInvalid:
    return PublicationInvalid(f"the manifest is not that of a publication or report: {what}")


_READ = Strict(_wrong)


def read(data: bytes, artifact_type: str) -> Artifact:
    """Of a manifest from a registry, where its document and signatures are. Raises PublicationInvalid."""
    if is_dense(data):
        raise _wrong("more values than a manifest of its size has")
    manifest = _READ.parsed(data, limits.MANIFEST)
    if manifest.get("artifactType") != artifact_type:
        raise _wrong(f"its artifactType is {str(manifest.get('artifactType'))[:100]!r}, expected {artifact_type}")
    layers = manifest.get("layers")
    if not isinstance(layers, list) or len(layers) < 2:
        raise _wrong("it has no document with signatures")
    document = _part(layers[0], artifact_type, _MOST[artifact_type])
    return Artifact(artifact_type, document, _part(layers[1], SIGNATURES_TYPE, limits.SIGNATURES))


def _part(value: Any, media_type: str, most: int) -> Part:
    row = value if isinstance(value, dict) else {}
    if row.get("mediaType") != media_type:
        raise _wrong(f"it has no {media_type} where that belongs")
    descriptor = Descriptor(media_type, _READ.digest(row.get("digest")), _READ.number(row.get("size"), "a size"))
    if descriptor.size > most:
        raise _wrong(f"a document of {descriptor.size} bytes, the limit is {most}")
    return Part(descriptor, _embedded(row["data"], descriptor) if "data" in row else None)


def _embedded(value: Any, descriptor: Descriptor) -> bytes:
    try:
        data = binascii.a2b_base64(value, strict_mode=True)
    except (ValueError, TypeError):
        raise _wrong("embedded data that is not base64") from None
    if len(data) != descriptor.size or not has_digest(data, descriptor.digest):
        raise _wrong("embedded data of another digest")
    return data
