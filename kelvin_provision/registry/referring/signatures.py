"""Signatures of an image at a registry: what refers to it, then the old tag of cosign. Bounded in number and bytes."""

from __future__ import annotations

from kelvin_provision.errors import DigestMismatch, ImageNotFound, RegistryBusy, RegistryDenied, RegistryUnreachable
from kelvin_provision.files.hashing import digest_of
from kelvin_provision.refs import Descriptor
from kelvin_provision.registry.protocol import Documents, SignatureDocuments
from kelvin_provision.registry.referring.referrers import NONE, TROUBLE, Referrers, listed, tag
from kelvin_provision.spec.media_types import OCI_MANIFEST
from kelvin_provision.spec.signatures import SignatureFiles
from kelvin_provision.trust.cosign.manifests import (
    MOST,
    MOST_BYTES,
    SIGNATURES,
    NotASignature,
    OfAnotherType,
    SignedPayload,
    read,
)

_MOST_TROUBLES = 3
"""Signatures that a registry does not give because of trouble that passes; after that no more is asked for."""


def signatures(documents: Documents, referrers: Referrers | None, digest: str) -> SignatureDocuments:
    """See `Blobs.signatures`. The old tag is always asked for: an image may have been signed in both ways.

    Nothing that is wrong with one signature keeps from the others: it is left out, and why is in `remarks`.
    """
    gathering = _Gathering(documents, digest)
    for entry in gathering.listed(referrers):
        gathering.take(entry.digest, entry)
    gathering.take(f"{tag(digest)}.sig", None)
    return gathering.result()


class _Gathering:
    """What was taken of one image."""

    def __init__(self, documents: Documents, subject: str) -> None:
        self._source = documents
        self._subject = subject
        self._files: list[SignatureFiles] = []
        self._documents: dict[str, bytes] = {}
        self._remarks: list[str] = []
        self._troubles: list[RegistryUnreachable | RegistryBusy] = []
        self._count = 0

    def result(self) -> SignatureDocuments:
        """Raises trouble that passes where there is nothing else."""
        if self._troubles and not self._files:
            raise self._troubles[0]
        return SignatureDocuments(tuple(self._files), self._documents, tuple(dict.fromkeys(self._remarks)), not self._troubles)

    def listed(self, referrers: Referrers | None) -> tuple[Descriptor, ...]:
        return listed(
            self._source,
            referrers,
            self._subject,
            SIGNATURES,
            lambda error: self._trouble(error, "the list of what refers to the image"),
        )

    def take(self, reference: str, expected: Descriptor | None) -> None:
        """A manifest and its payloads, if it is a signature, and there is room for it."""
        if self._count >= MOST or len(self._troubles) >= _MOST_TROUBLES:
            return
        name = f"{reference[:19]}{'' if expected else '....sig'}"
        try:
            self._add(self._source.manifest(reference, expected)[0], name)
        except (ImageNotFound, OfAnotherType):
            pass
        except NotASignature as error:
            self._remarks.append(f"{name}: {error}")
        except DigestMismatch:
            self._remarks.append(f"{name}: the registry has other content than it lists")
        except RegistryDenied:
            self._remarks.append(f"{name}: the registry denies access")
        except NONE:
            self._remarks.append(f"{name}: the registry does not give it")
        except TROUBLE as error:
            self._trouble(error, name)

    def _trouble(self, error: RegistryUnreachable | RegistryBusy, name: str) -> None:
        self._troubles.append(error)
        self._remarks.append(f"{name}: the registry does not give it now")

    def _add(self, data: bytes, name: str) -> None:
        """Sizes are those of the bytes that came. Raises NotASignature, and what the source raises."""
        manifest = read(data)
        if manifest.is_bundle and manifest.subject != self._subject:
            raise NotASignature("it refers to another image")
        sizes = {part.blob.digest: part.blob.size for part in manifest.payloads}
        if len(data) + sum(sizes.values()) + sum(map(len, self._documents.values())) > MOST_BYTES:
            raise NotASignature(f"no room for it; at most {MOST_BYTES} bytes of signatures are read of an image")
        bodies: dict[str, bytes] = {}
        for part in manifest.payloads:
            if part.blob.digest not in bodies and (body := self._payload(part, name)):
                bodies[part.blob.digest] = body
        if not bodies:
            return
        described = Descriptor(OCI_MANIFEST, digest_of(data), len(data))
        self._files.append(SignatureFiles(described, tuple(Descriptor("", digest, len(body)) for digest, body in bodies.items())))
        self._documents |= bodies | {described.digest: data}
        self._count += len(manifest.payloads)

    def _payload(self, part: SignedPayload, name: str) -> bytes | None:
        """None for one that is not there as the manifest says."""
        try:
            data = self._documents.get(part.blob.digest) or self._source.small_blob(part.blob)
        except NONE:
            data = b""
        if len(data) == part.blob.size:
            return data
        self._remarks.append(f"{name}: a payload is not there as its manifest says")
        return None
