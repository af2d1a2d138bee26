"""What a signature is over, and of which image it says anything. Nothing signed is parsed before its signature was verified. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.refs import is_digest
from kelvin_provision.trust.cosign.manifests import PREDICATE, SIGSTORE, NotASignature, SignedPayload, strict
from kelvin_provision.trust.dsse import LARGEST_SIGNATURE, pae

STATEMENT = "application/vnd.in-toto+json"
_STATEMENTS = {"https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"}
_TYPE = "cosign container image signature"
_SHA256 = 32
_PREHASHED = {"SHA2_512": "Ed25519ph, or another signature over SHA-512", "SHA2_384": "a signature over SHA-384"}
_RSA = "a signature of RSA (RSA-PSS or PKCS #1)"


class Form(StrEnum):
    STATEMENT = "statement"
    MESSAGE = "message"
    SIMPLE = "simple"


@dataclass(frozen=True)
class Claim:
    """`signature` is over exactly `message`. `certified`: a certificate has the key, so that it may be keyless."""

    form: Form
    message: bytes
    signature: bytes
    payload: bytes
    certified: bool = False


def of_simple(payload: SignedPayload, data: bytes) -> Claim:
    """The old form: a payload, and its signature in the manifest. Raises NotASignature."""
    return Claim(Form.SIMPLE, data, _signature(payload.signature), data, payload.certified)


def of_bundle(data: bytes, documents: Mapping[str, bytes]) -> tuple[Claim, ...]:
    """A sigstore bundle v0.3; what Rekor and Fulcio say in it is ignored. `documents` are those of the image, by digest, empty if missing.

    Raises NotASignature.
    """
    bundle = strict(data)
    if bundle.get("mediaType") != SIGSTORE:
        raise NotASignature("a sigstore bundle of another version than 0.3")
    material = bundle.get("verificationMaterial")
    certified = isinstance(material, dict) and ("certificate" in material or "x509CertificateChain" in material)
    envelope, message = bundle.get("dsseEnvelope"), bundle.get("messageSignature")
    if isinstance(envelope, dict) and message is None:
        return (_enveloped(envelope, certified=certified),)
    if isinstance(message, dict) and envelope is None:
        return _messages(message, documents, certified=certified)
    raise NotASignature("a sigstore bundle without exactly one dsseEnvelope or messageSignature")


def _enveloped(envelope: dict[str, Any], *, certified: bool) -> Claim:
    signatures = envelope.get("signatures")
    if envelope.get("payloadType") != STATEMENT:
        raise NotASignature("an envelope of another type than an in-toto statement")
    if not isinstance(signatures, list) or len(signatures) != 1 or not isinstance(signatures[0], dict):
        raise NotASignature("an envelope without exactly one signature")
    payload = _base64(envelope.get("payload"), "the payload of an envelope")
    return Claim(Form.STATEMENT, pae(STATEMENT, payload), _signature(signatures[0].get("sig")), payload, certified)


def _messages(message: dict[str, Any], documents: Mapping[str, bytes], *, certified: bool) -> tuple[Claim, ...]:
    """Over the bytes of the index or the manifest themselves."""
    digest = message.get("messageDigest")
    named = None
    if digest is not None:
        if not isinstance(digest, dict):
            raise NotASignature("a digest of a message that is no object")
        algorithm = digest.get("algorithm")
        if algorithm != "SHA2_256":
            known = _PREHASHED.get(algorithm) if isinstance(algorithm, str) else None
            raise NotASignature(f"{known or 'a signature over an unknown hash'}, which is not accepted")
        named = _base64(digest.get("digest"), "the digest of a message")
        if len(named) != _SHA256:
            raise NotASignature("a digest of another length than SHA-256")
    signature = _signature(message.get("signature"))
    bodies = [body for name, body in documents.items() if body and (named is None or name == f"sha256:{named.hex()}")]
    if not bodies:
        raise NotASignature("a signature of another image")
    return tuple(Claim(Form.MESSAGE, body, signature, body, certified) for body in bodies)


def refuse_other(claim: Claim, digests: frozenset[str]) -> None:
    """For a claim whose signature was verified: is it of one of these? Raises NotASignature."""
    if claim.form is Form.MESSAGE:
        return
    document = strict(claim.payload)
    named = _stated(document) if claim.form is Form.STATEMENT else _simple(document)
    if not named & digests:
        raise NotASignature(f"of another image ({min(named)[:19]})" if named else "of no image")


def _stated(statement: dict[str, Any]) -> set[str]:
    kind = statement.get("_type")
    if not isinstance(kind, str) or kind not in _STATEMENTS:
        raise NotASignature("not an in-toto statement")
    if statement.get("predicateType") != PREDICATE:
        raise NotASignature("a statement about the image that is not its signature")
    subjects = statement.get("subject")
    if not isinstance(subjects, list):
        raise NotASignature("a statement without a subject")
    digests = [subject.get("digest") for subject in subjects if isinstance(subject, dict)]
    hexes = [digest.get("sha256") for digest in digests if isinstance(digest, dict)]
    return set(filter(is_digest, (f"sha256:{value}" for value in hexes if isinstance(value, str))))


def _simple(document: dict[str, Any]) -> set[str]:
    critical = document.get("critical")
    if not isinstance(critical, dict) or critical.get("type") != _TYPE:
        raise NotASignature("a payload of another type than a signature of an image")
    image = critical.get("image")
    digest = image.get("docker-manifest-digest") if isinstance(image, dict) else None
    return {digest} if isinstance(digest, str) and is_digest(digest) else set()


def _signature(value: Any) -> bytes:
    signature = _base64(value, "a signature")
    if len(signature) > LARGEST_SIGNATURE:
        raise NotASignature(f"{_RSA}, which is not accepted")
    return signature


def _base64(value: Any, what: str) -> bytes:
    try:
        data = binascii.a2b_base64(value, strict_mode=True) if isinstance(value, str) else b""
    except ValueError:
        data = b""
    if not data or base64.b64encode(data).decode() != value:
        raise NotASignature(f"{what} that is not base64")
    return data
