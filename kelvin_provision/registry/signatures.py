"""Signatures of an image at a registry: what refers to it, then the tags of cosign. Bounded in number and bytes.

Registries without a list of referrers answer many things, most of them 404; then the tag of the distribution specification is asked for.
"""

from __future__ import annotations

from collections.abc import Callable

from kelvin_provision.errors import (
    DigestMismatch,
    ImageNotFound,
    ImageUnsupported,
    ManifestInvalid,
    RegistryDenied,
    RegistryRefused,
    RegistryUnreachable,
)
from kelvin_provision.files.hashing import digest_of
from kelvin_provision.refs import Descriptor
from kelvin_provision.registry.protocol import Documents, SignatureDocuments
from kelvin_provision.spec.media_types import OCI_MANIFEST
from kelvin_provision.spec.signatures import SignatureFiles
from kelvin_provision.trust.cosign.manifests import LARGEST_MANIFEST, MOST, MOST_BYTES, SIGSTORE, NotASignature, read, referring

_NONE = (ImageNotFound, ImageUnsupported, ManifestInvalid, DigestMismatch, RegistryRefused)
"""What a registry says of a document that it does not have, or has with other content."""

Referrers = Callable[[str, str], bytes]
"""Of a digest, those of one type."""


def signatures(documents: Documents, referrers: Referrers | None, digest: str) -> SignatureDocuments:
    """See `Blobs.signatures`. The old tag is always asked for: an image may have been signed in both ways."""
    gathering = _Gathering(documents)
    listed = _listed(documents, referrers, digest)
    for entry in listed:
        gathering.take(entry.digest, entry, digest)
    gathering.take(f"{tag(digest)}.sig", None, digest)
    return SignatureDocuments(tuple(gathering.files), gathering.documents)


def tag(digest: str) -> str:
    """Under which an image's referrers are, where the registry lists none itself."""
    return digest.replace(":", "-", 1)


def _listed(documents: Documents, referrers: Referrers | None, digest: str) -> tuple[Descriptor, ...]:
    """What the registry lists, else what the tag does."""
    if referrers is not None:
        try:
            entries = referring(referrers(digest, SIGSTORE), digest)
        except (*_NONE, RegistryDenied):
            entries = None
        except RegistryUnreachable as error:
            if not error.by_page:
                raise
            entries = None
        if entries:
            return entries
    data = _document(documents, tag(digest))
    return (referring(data, digest) or ()) if data is not None else ()


def _document(documents: Documents, reference: str, expected: Descriptor | None = None) -> bytes | None:
    try:
        return documents.manifest(reference, expected)[0]
    except _NONE:
        return None


class _Gathering:
    """What was taken of one image."""

    def __init__(self, documents: Documents) -> None:
        self.files: list[SignatureFiles] = []
        self.documents: dict[str, bytes] = {}
        self._source = documents
        self._count = 0

    def take(self, reference: str, expected: Descriptor | None, subject: str) -> None:
        """A manifest and its payloads, if it is a signature, and there is room for it."""
        if self._count >= MOST:
            return
        data = _document(self._source, reference, expected)
        if data is None or len(data) > LARGEST_MANIFEST:
            return
        try:
            manifest = read(data)
        except NotASignature:
            return
        if manifest.is_bundle and manifest.subject != subject:
            return
        bodies = {digest: body for digest, body in ((part.blob.digest, self._payload(part.blob)) for part in manifest.payloads) if body}
        size = len(data) + sum(map(len, {**self.documents, **bodies}.values()))
        if not bodies or size > MOST_BYTES:
            return
        payloads = {part.blob.digest: part.blob for part in manifest.payloads if part.blob.digest in bodies}
        described = Descriptor(OCI_MANIFEST, digest_of(data), len(data))
        self.files.append(SignatureFiles(described, tuple(payloads.values())))
        self.documents |= bodies | {described.digest: data}
        self._count += len(manifest.payloads)

    def _payload(self, blob: Descriptor) -> bytes | None:
        try:
            return self.documents.get(blob.digest) or self._source.small_blob(blob)
        except _NONE:
            return None
