"""Who signed an image: all its signatures against all keys, in one process that ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.spec.signatures import ImageVerdict, KnownSigner
from kelvin_provision.trust.computing import fitting_each
from kelvin_provision.trust.cosign import claims, manifests
from kelvin_provision.trust.cosign.claims import Claim
from kelvin_provision.trust.cosign.manifests import NotASignature, SignatureManifest, SignedPayload
from kelvin_provision.trust.public_keys import PublicKey

_REMARKS = 8
"""That are kept."""


@dataclass(frozen=True)
class Signed:
    """The bytes of a signature: its manifest under its digest, and its payloads by theirs."""

    digest: str
    manifest: bytes
    payloads: Mapping[str, bytes]


def judged(signatures: Sequence[Signed], documents: Mapping[str, bytes], keys: Sequence[PublicKey]) -> ImageVerdict:
    """`documents` are the index, if there is one, and the manifest of the image, by digest. No signature may be of anything else.

    Raises Locked, ApiMissing, OurBug if nothing could be verified.
    """
    remarks: list[str] = []
    claimed = list(dict.fromkeys(_claims(signatures, documents, remarks)))[: 2 * manifests.MOST]
    pairs = [(key, claim) for claim in claimed for key in keys]
    fits = fitting_each([(key, claim.signature, claim.message) for key, claim in pairs]) if pairs else ()
    makers: dict[Claim, PublicKey] = {claim: key for (key, claim), fit in zip(pairs, fits, strict=True) if fit}
    signers: dict[str, KnownSigner] = {}
    for claim, key in makers.items():
        try:
            claims.refuse_other(claim, frozenset(documents))
        except NotASignature as error:
            remarks.append(f"a signature of {key.name}: {error}")
        else:
            signers.setdefault(key.key_id, KnownSigner(key.key_id, key.name))
    signed = {claim.signature for claim in makers}
    rest = {claim.signature: claim.certified for claim in claimed if claim.signature not in signed}
    return ImageVerdict(
        tuple(signers.values()),
        tuple(key.key_id for key in keys),
        tuple(signature.digest for signature in signatures),
        sum(rest.values()),
        len(rest) - sum(rest.values()),
        tuple(dict.fromkeys(remarks))[:_REMARKS],
    )


def _claims(signatures: Sequence[Signed], documents: Mapping[str, bytes], remarks: list[str]) -> Iterator[Claim]:
    for signature in signatures:
        try:
            manifest = _manifest(signature, documents)
        except NotASignature as error:
            remarks.append(f"{signature.digest[:19]}: {error}")
            continue
        for payload in manifest.payloads:
            try:
                data = _payload(signature, payload)
                yield from claims.of_bundle(data, documents) if manifest.is_bundle else (claims.of_simple(payload, data),)
            except NotASignature as error:
                remarks.append(f"{signature.digest[:19]}: {error}")


def _manifest(signature: Signed, documents: Mapping[str, bytes]) -> SignatureManifest:
    manifest = manifests.read(signature.manifest)
    if manifest.is_bundle and manifest.subject not in documents:
        raise NotASignature("it refers to another image")
    return manifest


def _payload(signature: Signed, payload: SignedPayload) -> bytes:
    data = signature.payloads.get(payload.blob.digest)
    if data is None:
        raise NotASignature("its payload is missing")
    return data
