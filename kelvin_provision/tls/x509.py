"""What a certificate says, read from its bytes (RFC 5280, DER). Pure; it verifies nothing and needs no library."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
_SEQUENCE, _VERSION, _UTC_TIME, _GENERAL_TIME, _EXTENSIONS = 0x30, 0xA0, 0x17, 0x18, 0xA3
_DNS_NAME, _IP_ADDRESS = 0x82, 0x87
_ALTERNATIVE_NAMES = bytes.fromhex("551d11")
"""The object identifier 2.5.29.17."""

Validity = tuple[datetime, datetime]


class InvalidCertificate(ValueError):
    """The bytes are not a certificate."""


@dataclass(frozen=True)
class Certificate:
    """`names` are its alternative names: host names, and addresses as text."""

    der: bytes
    begins: datetime
    ends: datetime
    names: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """SHA-256, as browsers show it."""
        return hashlib.sha256(self.der).digest().hex(":").upper()

    def days_left(self, now: datetime) -> float:
        return days_until(self.ends, now)


def days_until(end: datetime, now: datetime) -> float:
    return (end - now).total_seconds() / 86400


def certificates_of_pem(data: bytes) -> tuple[Certificate, ...]:
    """All certificates of a PEM file, the leaf first. Raises InvalidCertificate."""
    return tuple(certificate_of_der(der) for der in _ders(data))


def validities_of_pem(data: bytes) -> tuple[Validity, ...]:
    """Of all certificates of a PEM file; nothing else in them is read. Raises InvalidCertificate."""
    return tuple(validity_of_der(der) for der in _ders(data))


def pem_of_der(der: bytes) -> bytes:
    text = base64.b64encode(der).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""]).encode()


def certificate_of_der(data: bytes) -> Certificate:
    """Raises InvalidCertificate."""
    with _decoding():
        fields = _fields(data)
        return Certificate(data, *_validity(fields), tuple(_names(fields[6:])))


def validity_of_der(data: bytes) -> Validity:
    """Raises InvalidCertificate."""
    with _decoding():
        return _validity(_fields(data))


def public_key_of_der(data: bytes) -> bytes:
    """The public key of a certificate, as DER (SubjectPublicKeyInfo). Raises InvalidCertificate."""
    with _decoding():
        tag, value = _fields(data)[5]
        if tag != _SEQUENCE or not len(value) < 0x10000:
            raise InvalidCertificate("no public key")
        size = len(value).to_bytes(2, "big")
        length = size[1:] if len(value) < 0x80 else b"\x81" + size[1:] if len(value) < 0x100 else b"\x82" + size
        return bytes([_SEQUENCE]) + length + value


@contextmanager
def _decoding() -> Iterator[None]:
    try:
        yield
    except (IndexError, ValueError) as error:
        raise InvalidCertificate(f"not a certificate: {error}") from error


def _ders(data: bytes) -> Iterator[bytes]:
    texts = _PEM.findall(data)
    if not texts:
        raise InvalidCertificate("no certificate in the file")
    for text in texts:
        try:
            yield base64.b64decode(text, validate=False)
        except binascii.Error as error:
            raise InvalidCertificate("invalid base64") from error


def _fields(data: bytes) -> list[tuple[int, bytes]]:
    """Of the TBSCertificate in the certificate, without the version, which may be absent."""
    ((_, certificate),) = _elements(data)
    (_, body), *_ = _elements(certificate)
    return [(tag, value) for tag, value in _elements(body) if tag != _VERSION]


def _validity(fields: Sequence[tuple[int, bytes]]) -> Validity:
    tag, value = fields[3]
    if tag != _SEQUENCE:
        raise InvalidCertificate("no validity")
    begins, ends = (_time(tag, value) for tag, value in _elements(value))
    return begins, ends


def _names(fields: Sequence[tuple[int, bytes]]) -> Iterator[str]:
    """Host names and addresses of the extension for alternative names."""
    for _, wrapped in (field for field in fields if field[0] == _EXTENSIONS):
        ((_, extensions),) = _elements(wrapped)
        for _, extension in _elements(extensions):
            (_, identifier), *_, (_, value) = _elements(extension)
            if identifier == _ALTERNATIVE_NAMES:
                ((_, names),) = _elements(value)
                for tag, name in _elements(names):
                    if tag == _DNS_NAME:
                        yield name.decode("ascii").lower()
                    elif tag == _IP_ADDRESS:
                        yield str(ip_address(name))


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tags and values."""
    at = 0
    while at < len(data):
        tag, length, at = data[at], data[at + 1], at + 2
        if length & 0x80:
            count = length & 0x7F
            if not 1 <= count <= 4 or at + count > len(data):
                raise InvalidCertificate("an invalid length")
            length, at = int.from_bytes(data[at : at + count], "big"), at + count
        if at + length > len(data):
            raise InvalidCertificate("it is truncated")
        yield tag, data[at : at + length]
        at += length


def _time(tag: int, value: bytes) -> datetime:
    """RFC 5280, 4.1.2.5: two digits of the year up to 2049, four beyond; always in UTC."""
    text = value.decode("ascii")
    if tag == _UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    elif tag != _GENERAL_TIME:
        raise InvalidCertificate("an invalid time")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
