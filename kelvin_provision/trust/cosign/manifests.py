"""Manifests of signatures as registries have them (cosign BUNDLE_SPEC, SIGNATURE_SPEC), of untrusted registries. Pure."""

from __future__ import annotations

from typing import Any

from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.refs import Descriptor, is_digest
from kelvin_provision.spec.media_types import OCI_MANIFEST
from kelvin_provision.spec.referrers import Kind, NotStrict
from kelvin_provision.spec.referrers import strict as strict_object

SIGSTORE = "application/vnd.dev.sigstore.bundle.v0.3+json"
"""Media type of a sigstore bundle, and type of the manifest that refers to an image with it."""
SIMPLE = "application/vnd.dev.cosign.simplesigning.v1+json"
PREDICATE = "https://sigstore.dev/cosign/sign/v1"
"""What a statement says of an image that is signed; other statements, such as a bill of materials, are no signatures."""
MOST = 32
"""Signatures of one image that are looked at."""
MOST_BYTES = 4 << 20
"""Of all signatures of one image: they are in memory together."""
LARGEST_MANIFEST, LARGEST_PAYLOAD = 1 << 20, 256 << 10
"""Bytes."""
_SIGNATURE = "dev.cosignproject.cosign/signature"
_CERTIFICATE = "dev.sigstore.cosign/certificate"
_PREDICATE_TYPE = "dev.sigstore.bundle.predicateType"


class NotASignature(ValueError):
    """These bytes are not a signature that is read here; the text says why."""


class OfAnotherType(NotASignature):
    """It does not say that it is one: an attestation, a bill of materials, an image."""


@dataclass(frozen=True)
class SignedPayload:
    """A payload of a signature. In the old form, the manifest has the `signature` in base64, and whether there is a certificate."""

    blob: Descriptor
    signature: str = ""
    certified: bool = False


@dataclass(frozen=True)
class SignatureManifest:
    """`subject` is the digest of what it refers to; in the old form there is none, and the payload names it."""

    payloads: tuple[SignedPayload, ...]
    subject: str | None = None

    @property
    def is_bundle(self) -> bool:
        return self.subject is not None


def read(data: bytes) -> SignatureManifest:
    """Raises NotASignature."""
    if len(data) > LARGEST_MANIFEST:
        raise NotASignature(f"a manifest of more than 1 MiB; at most {LARGEST_MANIFEST} bytes are read")
    manifest = strict(data)
    if manifest.get("mediaType", OCI_MANIFEST) != OCI_MANIFEST or not isinstance(manifest.get("layers"), list):
        raise NotASignature("not a manifest with layers")
    if manifest.get("artifactType") == SIGSTORE:
        return _bundle(manifest)
    payloads = [payload for entry in manifest["layers"][-MOST:] if (payload := _simple(entry))]
    if not payloads:
        raise OfAnotherType("of another type than a signature")
    if len({payload.blob for payload in payloads}) != len({payload.blob.digest for payload in payloads}):
        raise NotASignature("it contradicts itself: one payload with two sizes")
    return SignatureManifest(tuple(payloads))


def _bundle(manifest: dict[str, Any]) -> SignatureManifest:
    layers, subject = manifest["layers"], manifest.get("subject")
    digest = subject.get("digest") if isinstance(subject, dict) else None
    if not isinstance(digest, str) or not is_digest(digest):
        raise NotASignature("it refers to no image")
    if len(layers) != 1 or not isinstance(layers[0], dict) or layers[0].get("mediaType") != SIGSTORE:
        raise NotASignature("not exactly one layer of the type of a sigstore bundle")
    return SignatureManifest((SignedPayload(_descriptor(layers[0])),), digest)


def _simple(entry: Any) -> SignedPayload | None:
    """None for a layer of another type."""
    annotations = entry.get("annotations") if isinstance(entry, dict) else None
    if not isinstance(annotations, dict) or entry.get("mediaType") != SIMPLE:
        return None
    signature = annotations.get(_SIGNATURE)
    return SignedPayload(_descriptor(entry), signature if isinstance(signature, str) else "", _CERTIFICATE in annotations)


def _descriptor(entry: dict[str, Any]) -> Descriptor:
    digest, size = entry.get("digest"), entry.get("size")
    if not isinstance(digest, str) or not is_digest(digest) or type(size) is not int:
        raise NotASignature("a layer without a digest or a size")
    if not 0 < size <= LARGEST_PAYLOAD:
        raise NotASignature(f"a payload of no byte, or of more than {LARGEST_PAYLOAD}")
    return Descriptor(entry["mediaType"], digest, size)


SIGNATURES = Kind(SIGSTORE, LARGEST_MANIFEST, MOST, lambda annotations: annotations.get(_PREDICATE_TYPE, PREDICATE) == PREDICATE)
"""What may be one in a list of what refers to an image."""


def strict(data: bytes) -> dict[str, Any]:
    """A JSON object, each key once. Raises NotASignature."""
    try:
        return strict_object(data)
    except NotStrict as error:
        raise NotASignature(str(error)) from None
