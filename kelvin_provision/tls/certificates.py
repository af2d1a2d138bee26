"""X.509 as this program writes it: an authority, and certificates that it signs. Imported only by processes of their own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PEM = serialization.Encoding.PEM
_LONGEST_NAME = 64
"""Of a common name (RFC 5280, ub-common-name)."""


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def loaded(pem: bytes) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    """An authority of ours: its key and its certificate."""
    key = serialization.load_pem_private_key(pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("the key of the authority is none of ours")
    return key, x509.load_pem_x509_certificate(pem)


def authority(key: ec.EllipticCurvePrivateKey, what: str, box: str, validity: tuple[datetime, datetime]) -> x509.Certificate:
    """Two authorities of boxes of the same name must differ for who trusts both: the name has the beginning of the key's identifier."""
    public = key.public_key()
    identifier = x509.SubjectKeyIdentifier.from_public_key(public)
    title = name(f"{what} {identifier.digest.hex()[:8]} {box}")
    return (
        _builder(title, title, public, validity)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )


def signed_by(
    issuer: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
    subject: str,
    public: ec.EllipticCurvePublicKey,
    validity: tuple[datetime, datetime],
    *,
    purposes: Sequence[x509.ObjectIdentifier],
    names: Sequence[x509.GeneralName],
) -> x509.Certificate:
    """With what iOS asks for (usage, names) and what Python asks for from 3.13 on (identifier of the authority's key)."""
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        _builder(name(subject), issuer.subject, public, validity)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return (
        builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(key, hashes.SHA256())
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


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:_LONGEST_NAME])])


def text_of(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
