"""Public keys, read from their bytes (RFC 8410, RFC 5480) without a library. Pure.

Both types have one encoding each, of a fixed length: everything else is refused by its name.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re

from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.spec.signatures import Signer

ED25519, P256 = "ed25519", "p256"
PREFIXES = {ED25519: bytes.fromhex("302a300506032b6570032100"), P256: bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")}
LENGTHS = {ED25519: 32, P256: 65}
LARGEST = 16 * 1024
"""Bytes of a file with a key."""
_OTHERS = {
    "06092a864886f70d010101": "an RSA key",
    "06092a864886f70d01010a": "an RSA-PSS key",
    "06072a8648ce380401": "a DSA key",
    "06032b6571": "an Ed448 key",
    "06032b656e": "an X25519 key",
    "06052b81040022": "an ECDSA P-384 key",
    "06052b81040023": "an ECDSA P-521 key",
    "06052b8104000a": "an ECDSA secp256k1 key",
    "06072a8648ce3d0201": "a key on another curve than P-256",
}
_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s*([A-Za-z0-9+/=\s]*?)-----END \1-----")
_FIELD_25519 = 2**255 - 19
_ORDER_8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
"""y of two of the points of order 8; the other two have its negative."""
_SMALL_ORDER = {0, 1, _FIELD_25519 - 1, _ORDER_8, _FIELD_25519 - _ORDER_8}
"""With such a point as a key, a signature can be made that fits any message."""
_FIELD_256 = 2**256 - 2**224 + 2**192 + 2**96 - 1
_B_256 = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B


class InvalidKey(ValueError):
    """The bytes are not a public key that can be used; the text says which it is."""


@dataclass(frozen=True)
class PublicKey:
    """`type` is ed25519 or p256, `der` the SubjectPublicKeyInfo; `name` is for people."""

    type: str
    der: bytes
    name: str = ""

    @property
    def key_id(self) -> str:
        return hashlib.sha256(self.der).hexdigest()

    @property
    def text(self) -> str:
        """For people: `anna (3f2a0c1d9b7e)`."""
        return Signer(self.key_id, self.name).text

    @property
    def pem(self) -> bytes:
        text = base64.b64encode(self.der).decode()
        lines = [text[at : at + 64] for at in range(0, len(text), 64)]
        return "\n".join(["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""]).encode()


def public_key_of_pem(data: bytes, name: str = "") -> PublicKey:
    """The one key of a PEM file. Raises InvalidKey."""
    if len(data) > LARGEST:
        raise InvalidKey(f"the file has more than {LARGEST} bytes")
    if is_private(data):
        raise InvalidKey("it is a private key; the public one is needed")
    blocks = _BLOCK.findall(data)
    if len(blocks) != 1:
        raise InvalidKey(f"{len(blocks)} keys in the file; one is needed" if blocks else "it is not a public key in PEM")
    label, text = blocks[0]
    if label != b"PUBLIC KEY":
        raise InvalidKey("an RSA key" if label.startswith(b"RSA") else f"it is a {label.decode().lower()}, not a public key in PEM")
    try:
        der = binascii.a2b_base64(b"".join(text.split()), strict_mode=True)
    except ValueError:
        raise InvalidKey("invalid base64") from None
    return public_key_of_der(der, name)


def is_private(data: bytes) -> bool:
    return b"PRIVATE KEY-----" in data


def public_key_of_der(der: bytes, name: str = "") -> PublicKey:
    """Raises InvalidKey."""
    for kind, prefix in PREFIXES.items():
        if der.startswith(prefix) and len(der) == len(prefix) + LENGTHS[kind]:
            (_refuse_weak if kind == ED25519 else _refuse_off_curve)(der[len(prefix) :])
            return PublicKey(kind, der, name)
    raise InvalidKey(next((text for oid, text in _OTHERS.items() if bytes.fromhex(oid) in der[:40]), "an unknown type of key"))


def _refuse_weak(point: bytes) -> None:
    y = int.from_bytes(point, "little") & (2**255 - 1)
    if y >= _FIELD_25519 or y in _SMALL_ORDER:
        raise InvalidKey("a weak Ed25519 key")


def _refuse_off_curve(point: bytes) -> None:
    x, y = int.from_bytes(point[1:33], "big"), int.from_bytes(point[33:], "big")
    is_on_curve = (y * y - (x * x * x - 3 * x + _B_256)) % _FIELD_256 == 0
    if point[0] != 4 or max(x, y) >= _FIELD_256 or not is_on_curve:
        raise InvalidKey("an ECDSA key whose point is not on P-256")
