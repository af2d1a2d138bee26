"""Makes an authority and a certificate of it: `python -m kelvin_provision.tls.issue`, JSON on standard input and output.

In a process of its own, because `cryptography` takes 9 MiB. It reads and writes no file; keys go through pipes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from ipaddress import ip_address
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_PEM = serialization.Encoding.PEM
_LONGEST_NAME = 64
"""Of a common name (RFC 5280, ub-common-name)."""


def main() -> int:
    order = json.loads(sys.stdin.buffer.read())
    sys.stdout.write(json.dumps(made(order)))
    return 0


def made(order: Mapping[str, Any]) -> dict[str, str]:
    """PEM texts by name. `order` has `authority`, a PEM of key and certificate, or null for a new one."""
    begins, ends = (datetime.fromisoformat(order[name]) for name in ("begins", "ends"))
    result: dict[str, str] = {}
    if order["authority"]:
        pem = order["authority"].encode()
        key, certificate = serialization.load_pem_private_key(pem, None), x509.load_pem_x509_certificate(pem)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError("the key of the authority is none of ours")
    else:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _authority(key, order["box"], *(datetime.fromisoformat(order[f"authority_{name}"]) for name in ("begins", "ends")))
        result |= {"authority_key": _text(key), "authority_certificate": certificate.public_bytes(_PEM).decode()}
    own = ec.generate_private_key(ec.SECP256R1())
    validity = begins, min(ends, certificate.not_valid_after_utc)
    builder = _builder(_name(order["box"]), certificate.subject, own.public_key(), validity)
    leaf = _as_leaf(builder, own.public_key(), order["names"], certificate).sign(key, hashes.SHA256())
    return {**result, "key": _text(own), "certificate": leaf.public_bytes(_PEM).decode()}


def _authority(key: ec.EllipticCurvePrivateKey, box: str, begins: datetime, ends: datetime) -> x509.Certificate:
    public = key.public_key()
    identifier = x509.SubjectKeyIdentifier.from_public_key(public)
    # Two authorities of boxes of the same name must differ for a browser that trusts both.
    name = _name(f"kelvin-provision {identifier.digest.hex()[:8]} {box}")
    return (
        _builder(name, name, public, (begins, ends))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )


def _as_leaf(
    builder: x509.CertificateBuilder, public: ec.EllipticCurvePublicKey, names: Sequence[str], authority: x509.Certificate
) -> x509.CertificateBuilder:
    """With what iOS asks for (usage, names) and what Python asks for from 3.13 on (identifier of the authority's key)."""
    identifier = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_alternative(name) for name in names]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, validity: tuple[datetime, datetime]
) -> x509.CertificateBuilder:
    begins, ends = validity
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
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


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:_LONGEST_NAME])])


def _text(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


if __name__ == "__main__":
    sys.exit(main())
