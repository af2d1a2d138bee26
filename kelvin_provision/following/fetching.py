"""A publication and its requests from a registry. Nothing here is believed: the bytes are those of their digests, and no more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from kelvin_provision.errors import DigestMismatch
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.hashing import verified
from kelvin_provision.publications import artifact
from kelvin_provision.publications.model import PAYLOAD_TYPE, PublishedRequest
from kelvin_provision.refs import Descriptor, Reference
from kelvin_provision.registry.protocol import Source


@dataclass(frozen=True)
class Fetched:
    """`digest` is that of the manifest. `document` is what `signatures` should be over."""

    digest: str
    document: bytes
    signatures: bytes


def fetch(source: Source, reference: Reference, digest: str) -> Fetched:
    """The publication with this manifest. By its digest: a tag that moves meanwhile changes nothing. Raises PublicationInvalid."""
    fixed = replace(reference, tag=None, digest=digest)
    parts = artifact.read(source.manifest(fixed), PAYLOAD_TYPE)
    return Fetched(digest, _bytes(source, fixed, parts.document), _bytes(source, fixed, parts.signatures))


def bodies(source: Source, reference: Reference, requests: Iterable[PublishedRequest]) -> dict[str, bytes]:
    """By the name of the request its bytes. The document that names them is verified, and has limited their sizes."""
    fixed = replace(reference, tag=None)
    return {request.name: _blob(source, fixed, Descriptor(artifact.REQUEST_TYPE, request.digest, request.size)) for request in requests}


def _bytes(source: Source, reference: Reference, part: artifact.Part) -> bytes:
    return part.data if part.data is not None else _blob(source, reference, part.descriptor)


def _blob(source: Source, reference: Reference, blob: Descriptor) -> bytes:
    """In memory: the format allows a few MiB. Raises DigestMismatch."""
    with source.blob(reference, blob, 0) as stream:
        if stream.start != 0:
            raise DigestMismatch(f"{reference}: the registry does not send {blob.digest} from its beginning")
        return b"".join(verified(stream.chunks, blob.digest, blob.size))
