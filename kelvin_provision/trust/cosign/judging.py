"""Who signed an image: all its signatures against all keys, in processes that end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest

from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.spec.signatures import ImageVerdict, Signer
from kelvin_provision.trust.computing import fitting_each
from kelvin_provision.trust.cosign import claims, manifests
from kelvin_provision.trust.cosign.claims import Claim
from kelvin_provision.trust.cosign.manifests import NotASignature, SignatureManifest, SignedPayload
from kelvin_provision.trust.public_keys import PublicKey

REMARKS = 8
"""That are kept."""
BATCH, MOST_CLAIMS = 64, 1024
"""Signatures that one process looks at, and that are looked at of an image."""


@dataclass(frozen=True)
class Signed:
    """The bytes of a signature: its manifest under its digest, and its payloads by theirs."""

    digest: str
    manifest: bytes
    payloads: Mapping[str, bytes]


@dataclass(frozen=True)
class Judgement:
    """`counting`: for each signer, the digest of one manifest whose signature is of the image. A copy of it can be in many."""

    verdict: ImageVerdict
    counting: frozenset[str] = frozenset()


def judged(signatures: Sequence[Signed], documents: Mapping[str, bytes], keys: Sequence[PublicKey]) -> ImageVerdict:
    """See `judge`."""
    return judge(signatures, documents, keys).verdict


def judge(signatures: Sequence[Signed], documents: Mapping[str, bytes], keys: Sequence[PublicKey]) -> Judgement:
    """`documents` are the index, if there is one, and the manifest of the image, by digest. No signature may be of anything else.

    All are looked at, a batch for each process, until every key has signed: those of one manifest do not crowd out another one's.
    Raises Locked, ApiMissing, OurBug if nothing could be verified.
    """
    remarks: list[str] = []
    makers: dict[Claim, PublicKey] = {}
    signers: dict[str, Signer] = {}
    counting: set[str] = set()
    claimed = _in_turn(signatures, documents, remarks)
    if len(claimed) > MOST_CLAIMS:
        remarks.append(f"of {len(claimed)} signatures only {MOST_CLAIMS} were looked at")
    looked_at = list(claimed)[:MOST_CLAIMS]
    for start in range(0, len(looked_at), BATCH):
        if len(signers) == len(keys):
            break
        for claim, key in _made(looked_at[start : start + BATCH], keys).items():
            makers[claim] = key
            try:
                claims.refuse_other(claim, frozenset(documents))
            except NotASignature as error:
                remarks.append(f"a signature of {key.name}: {error}")
            else:
                if key.key_id not in signers:
                    signers[key.key_id] = Signer(key.key_id, key.name)
                    counting.add(claimed[claim])
    signed = {claim.signature for claim in makers}
    rest = {claim.signature: claim.certified for claim in looked_at if claim.signature not in signed}
    verdict = ImageVerdict(
        tuple(signers.values()),
        tuple(key.key_id for key in keys),
        tuple(signature.digest for signature in signatures),
        sum(rest.values()),
        len(rest) - sum(rest.values()),
        tuple(dict.fromkeys(remarks))[:REMARKS],
    )
    return Judgement(verdict, frozenset(counting))


def _made(claimed: Sequence[Claim], keys: Sequence[PublicKey]) -> dict[Claim, PublicKey]:
    """Which of the keys made which signature."""
    pairs = [(key, claim) for claim in claimed for key in keys]
    fits = fitting_each([(key, claim.signature, claim.message) for key, claim in pairs]) if pairs else ()
    return {claim: key for (key, claim), fit in zip(pairs, fits, strict=True) if fit}


def _in_turn(signatures: Sequence[Signed], documents: Mapping[str, bytes], remarks: list[str]) -> dict[Claim, str]:
    """Each claim once, with the first manifest that has it: the first of each manifest, then the second of each, and so on."""
    rows = [[(claim, signature.digest) for claim in _claims(signature, documents, remarks)] for signature in signatures]
    claimed: dict[Claim, str] = {}
    for turn in zip_longest(*rows):
        for claim, manifest in filter(None, turn):
            claimed.setdefault(claim, manifest)
    return claimed


def _claims(signature: Signed, documents: Mapping[str, bytes], remarks: list[str]) -> Iterator[Claim]:
    try:
        manifest = _manifest(signature, documents)
    except NotASignature as error:
        remarks.append(f"{signature.digest[:19]}: {error}")
        return
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
