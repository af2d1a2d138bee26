"""Makes keys and certificates of nodes: `python -m kelvin_provision.nodes.keys.child`, JSON on standard input and output.

In a process of its own, because `cryptography` takes 9 MiB, and because a request for a certificate may be hostile. It reads and writes no
file; keys go through pipes.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kelvin_provision.trust.child import limit_itself

_PEM = serialization.Encoding.PEM
_LONGEST_NAME = 64
"""Of a common name (RFC 5280, ub-common-name)."""


def main() -> int:
    limit_itself()
    order = json.loads(sys.stdin.buffer.read())
    sys.stdout.write(json.dumps(_TASKS[order["task"]](order)))
    return 0


def requested(order: Mapping[str, Any]) -> dict[str, str]:
    """A key, and a request for a certificate that it has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(_name(order["name"])).sign(key, hashes.SHA256())
    return {"key": _text(key), "request": request.public_bytes(_PEM).decode()}


def authority(order: Mapping[str, Any]) -> dict[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    name = _name(f"kelvin-provision nodes {identifier.digest.hex()[:8]} {order['name']}")
    certificate = (
        _builder(name, name, key.public_key(), order)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )
    return {"key": _text(key), "certificate": certificate.public_bytes(_PEM).decode()}


def certified(order: Mapping[str, Any]) -> dict[str, str]:
    """A certificate for the key of a request. Nothing of the request but its key gets into it; `host` only where it is the leader's."""
    pem = order["authority"].encode()
    key, issuer = serialization.load_pem_private_key(pem, None), x509.load_pem_x509_certificate(pem)
    assert isinstance(key, ec.EllipticCurvePrivateKey)  # noqa: S101  (it is ours)
    try:
        request = x509.load_pem_x509_csr(order["request"].encode())
        public = request.public_key()
        valid = isinstance(public, ec.EllipticCurvePublicKey) and isinstance(public.curve, ec.SECP256R1) and request.is_signature_valid
    except Exception:  # noqa: BLE001  (whatever a hostile request leads to, it is refused)
        valid = False
    if not valid:
        return {"refused": "it asks for a certificate in a form that is not accepted"}
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        _builder(_name(order["name"]), issuer.subject, public, order)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
    )
    if order["host"]:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(order["host"])]), critical=False)
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    certificate = builder.sign(key, hashes.SHA256())
    return {"certificate": certificate.public_bytes(_PEM).decode(), "key_id": hashlib.sha256(der).hexdigest()}


def _builder(subject: x509.Name, issuer: x509.Name, public: Any, order: Mapping[str, Any]) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.fromisoformat(order["begins"]))
        .not_valid_after(datetime.fromisoformat(order["ends"]))
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:_LONGEST_NAME])])


def _text(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


_TASKS = {"request": requested, "authority": authority, "certify": certified}

if __name__ == "__main__":
    sys.exit(main())
