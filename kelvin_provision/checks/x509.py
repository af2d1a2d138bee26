"""The validity of a certificate, read from its bytes (RFC 5280, DER). Pure; it verifies nothing and needs no library."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from datetime import UTC, datetime

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
_SEQUENCE, _VERSION, _UTC_TIME, _GENERAL_TIME = 0x30, 0xA0, 0x17, 0x18

Validity = tuple[datetime, datetime]


class InvalidCertificate(ValueError):
    """The bytes are not a certificate."""


def validities_of_pem(data: bytes) -> tuple[Validity, ...]:
    """Of all certificates in a PEM file, the leaf first. Raises InvalidCertificate."""
    validities = []
    for text in _PEM.findall(data):
        try:
            validities.append(validity_of_der(base64.b64decode(text, validate=False)))
        except binascii.Error as error:
            raise InvalidCertificate("invalid base64") from error
    if not validities:
        raise InvalidCertificate("no certificate in the file")
    return tuple(validities)


def validity_of_der(data: bytes) -> Validity:
    """Certificate, TBSCertificate, then the fifth field, or the fourth if there is no version."""
    try:
        ((_, certificate),) = _elements(data)
        (_, body), *_ = _elements(certificate)
        fields = [(tag, value) for tag, value in _elements(body) if tag != _VERSION]
        tag, value = fields[3]
        if tag != _SEQUENCE:
            raise InvalidCertificate("no validity")
        begins, ends = (_time(tag, value) for tag, value in _elements(value))
    except (IndexError, ValueError) as error:
        raise InvalidCertificate(f"not a certificate: {error}") from error
    return begins, ends


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
