"""DSSE: the bytes that are signed, and the document with the signatures. Pure.

The type of the payload is part of what is signed: a signature of a request is not valid for a bundle.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from kelvin_provision.errors import SignatureInvalid
from kelvin_provision.fast_dataclass import dataclass

BUNDLE = "application/vnd.kelvin-provision.bundle.v1+json"
REQUEST = "application/vnd.kelvin-provision.request.v1+json"
TRUST = "application/vnd.kelvin-provision.trust.v1+json"
RELEASE = "application/vnd.kelvin-provision.release.v1+json"
PUBLICATION = "application/vnd.kelvin-provision.publication.v1+json"
REPORT = "application/vnd.kelvin-provision.report.v1+json"
LARGEST_DOCUMENT, MOST = 16 * 1024, 32
"""Bytes of a document with signatures, and entries in it."""
LARGEST_SIGNATURE = 128
"""Bytes; Ed25519 has 64, ECDSA P-256 at most 72."""
_KEY_ID = r"[0-9a-f]{64}"


@dataclass(frozen=True)
class Entry:
    """One signature. `key_id` says with which key it is to be checked, and proves nothing."""

    key_id: str
    signature: bytes


def pae(payload_type: str, payload: bytes) -> bytes:
    """What is signed: the type and the exact bytes, with their lengths."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def document(entries: Sequence[Entry]) -> bytes:
    """As a file: one JSON list, readable."""
    rows = [{"keyid": entry.key_id, "sig": base64.b64encode(entry.signature).decode()} for entry in entries]
    return json.dumps(rows, indent=1).encode() + b"\n"


def entries_of(data: bytes) -> tuple[Entry, ...]:
    """The signatures of a document; blanks around it are allowed. Raises SignatureInvalid."""
    if len(data) > LARGEST_DOCUMENT:
        raise SignatureInvalid(f"the signatures have {len(data)} bytes; at most {LARGEST_DOCUMENT} are read")
    if not data.strip():
        return ()
    try:
        rows = json.loads(data.decode("ascii"), object_pairs_hook=_members)
    except (ValueError, RecursionError):
        raise SignatureInvalid("the signatures are not a JSON list, each with keyid and sig") from None
    if not isinstance(rows, list):
        raise SignatureInvalid("the signatures are not a JSON list, each with keyid and sig")
    if len(rows) > MOST:
        raise SignatureInvalid(f"{len(rows)} signatures; at most {MOST} are read")
    return tuple(_entry(number, row) for number, row in enumerate(rows, 1))


def joined(entries: Iterable[Entry], new: Entry) -> tuple[Entry, ...]:
    """With a new signature; the one of the same key before it goes."""
    return (*(entry for entry in entries if entry.key_id != new.key_id), new)


class _Members(dict[str, Any]):
    """A JSON object without repeated keys: of those, another reader could take another one."""


def _members(pairs: list[tuple[str, Any]]) -> _Members:
    members = _Members(pairs)
    if len(members) != len(pairs):
        raise ValueError("a key is there twice")
    return members


def _entry(number: int, row: Any) -> Entry:
    if not isinstance(row, _Members) or set(row) != {"keyid", "sig"} or not all(isinstance(value, str) for value in row.values()):
        raise SignatureInvalid(f"signature {number} is not an object with keyid and sig")
    if not re.fullmatch(_KEY_ID, row["keyid"]):
        raise SignatureInvalid(f"keyid of signature {number} is not a SHA-256 in 64 hexadecimal digits")
    try:
        signature = binascii.a2b_base64(row["sig"], strict_mode=True)
    except ValueError:
        signature = b""
    if not 0 < len(signature) <= LARGEST_SIGNATURE or base64.b64encode(signature).decode() != row["sig"]:
        raise SignatureInvalid(f"sig of signature {number} is not base64 of a signature")
    return Entry(row["keyid"], signature)
