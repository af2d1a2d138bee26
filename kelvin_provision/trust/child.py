"""Checks and makes signatures: `python -m kelvin_provision.trust.child`, a line of JSON and the message on standard input, JSON as output.

In a process of its own, because `cryptography` takes 9 MiB. It reads and writes no file; keys go through pipes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import resource
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

MEMORY, PROCESSOR = 512 << 20, 30
"""Bytes of addresses, of which a tenth is used, and seconds: what a hostile key or message can take at most."""

_COST, _TIMES = 1 << 14, 4
"""Of scrypt: 16 MiB, which is the most that openssl reads, and a tenth of a second for each guess."""
_PBES2 = bytes.fromhex("06092a864886f70d01050d")
_SCRYPT = bytes.fromhex("06092b06010401da47040b")
_AES_256_CBC = bytes.fromhex("060960864801650304012a")

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes


class _RefusedKey(Exception):
    """A key cannot be used; the text says which it is."""


def main() -> int:
    limit_itself()
    order = json.loads(sys.stdin.buffer.readline())
    message = sys.stdin.buffer.read()
    if len(message) != order["size"]:
        return 1
    try:
        answer = _TASKS[order["task"]](order, message)
    except _RefusedKey as error:
        answer = {"refused": str(error)}
    sys.stdout.write(json.dumps(answer))
    return 0


def limit_itself() -> None:
    """Also no core file: the memory has held a private key. A confined service may not set limits, and has its own."""
    for kind, limit in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CPU, PROCESSOR), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(kind)[1]
        lower = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        with suppress(OSError, ValueError):
            resource.setrlimit(kind, (lower, lower))


def verified(order: Mapping[str, Any], messages: bytes) -> dict[str, Any]:
    """Whether each signature was made by its key, over its part of the messages."""
    keys = {text: _public(base64.b64decode(text)) for text in {pair["key"] for pair in order["pairs"]}}
    return {
        "fits": [
            _fits(keys[pair["key"]], base64.b64decode(pair["signature"]), messages[pair["from"] : pair["to"]]) for pair in order["pairs"]
        ]
    }


def _fits(key: PublicKeyTypes, signature: bytes, message: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, message)
        elif isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
            key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
        else:
            return False
    except InvalidSignature:
        return False
    return True


def chained(order: Mapping[str, Any], message: bytes) -> dict[str, Any]:
    """Who has signed each trust document that follows, or the error of the first that does not. They are parsed here, once believed.

    And whether the signatures over the message, which came with them, were made by keys of a role of the last one.
    """
    from kelvin_provision.errors import ProvisionError
    from kelvin_provision.errors.documents import to_document
    from kelvin_provision.trust.documents.chain import consistent, steps
    from kelvin_provision.trust.documents.model import Revoked, Role, SignedDocument, TrustDocument
    from kelvin_provision.trust.dsse import TRUST, pae
    from kelvin_provision.trust.public_keys import PublicKey, public_key_of_der

    keys: dict[bytes, PublicKeyTypes] = {}

    def fits(content: bytes, pairs: Sequence[tuple[PublicKey, bytes]]) -> list[bool]:
        message = pae(TRUST, content)
        for key, _ in pairs:
            keys[key.der] = keys.get(key.der) or _public(key.der)
        return [_fits(keys[key.der], signature, message) for key, signature in pairs]

    documents = [SignedDocument(*map(base64.b64decode, pair)) for pair in order["documents"]]
    before = order["before"]
    try:
        if before is None:
            accepted = list(consistent(documents, fits))
        else:
            root = Role(tuple(public_key_of_der(base64.b64decode(der), name) for name, der in before["keys"]), before["threshold"])
            known = TrustDocument(before["number"], root, revoked=Revoked(tuple(before["revoked"])))
            accepted = list(steps(known, documents, fits))
    except ProvisionError as error:
        return {"error": to_document(error)}
    role = accepted[-1].document.role(order["role"])
    role_keys = {key.key_id: _public(key.der) for key in role.keys} if role else {}
    rows = [(key_id, base64.b64decode(signature)) for key_id, signature in order["entries"]]
    return {
        "signers": [step.signers for step in accepted],
        "fits": [key_id in role_keys and _fits(role_keys[key_id], signature, message) for key_id, signature in rows],
    }


def signed(order: Mapping[str, Any], message: bytes) -> dict[str, Any]:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    key = _private(order)
    if isinstance(key, ed25519.Ed25519PrivateKey):
        signature = key.sign(message)
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        signature = key.sign(message, ec.ECDSA(hashes.SHA256()))
    else:
        raise _RefusedKey("it does not sign")
    return {"signature": base64.b64encode(signature).decode(), "public": _text(key.public_key())}


def generated(order: Mapping[str, Any], _: bytes) -> dict[str, Any]:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    key = ed25519.Ed25519PrivateKey.generate() if order["type"] == "ed25519" else ec.generate_private_key(ec.SECP256R1())
    der = key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    passphrase = _passphrase(order)
    private = _pem("ENCRYPTED PRIVATE KEY", _protected(der, passphrase)) if passphrase else _pem("PRIVATE KEY", der)
    return {"private": private, "public": _text(key.public_key())}


def _protected(der: bytes, passphrase: bytes) -> bytes:
    """PKCS#8 (RFC 5958) under a passphrase by scrypt (RFC 7914): the library's own way makes 2048 rounds, which is nothing today."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.padding import PKCS7

    salt, vector = os.urandom(16), os.urandom(16)
    key = hashlib.scrypt(passphrase, salt=salt, n=_COST, r=8, p=_TIMES, dklen=32, maxmem=1 << 26)
    padder, encryptor = PKCS7(128).padder(), Cipher(algorithms.AES256(key), modes.CBC(vector)).encryptor()
    secret = encryptor.update(padder.update(der) + padder.finalize()) + encryptor.finalize()
    costs = _sequence(_element(4, salt), *(_element(2, number) for number in (_COST.to_bytes(2, "big"), b"\x08", bytes([_TIMES]))))
    derivation = _sequence(_SCRYPT, costs)
    cipher = _sequence(_AES_256_CBC, _element(4, vector))
    scheme = _sequence(_PBES2, _sequence(derivation, cipher))
    return _sequence(scheme, _element(4, secret))


def _sequence(*parts: bytes) -> bytes:
    return _element(0x30, *parts)


def _element(tag: int, *parts: bytes) -> bytes:
    """DER; of less than 64 KiB."""
    content = b"".join(parts)
    length = len(content)
    size = bytes([length]) if length < 0x80 else bytes([0x81, length]) if length < 0x100 else b"\x82" + length.to_bytes(2, "big")
    return bytes([tag]) + size + content


def _pem(label: str, der: bytes) -> str:
    return f"-----BEGIN {label}-----\n{base64.encodebytes(der).decode()}-----END {label}-----\n"


def shown(order: Mapping[str, Any], _: bytes) -> dict[str, Any]:
    return {"public": _text(_private(order).public_key())}


def _private(order: Mapping[str, Any]) -> PrivateKeyTypes:
    """Which types are accepted is decided by the public key that belongs to it."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    passphrase = _passphrase(order)
    try:
        return serialization.load_pem_private_key(order["private"].encode(), passphrase)
    except TypeError:
        raise _RefusedKey("it has no passphrase" if passphrase else "it needs its passphrase") from None
    except UnsupportedAlgorithm:
        raise _RefusedKey("an unknown type of key") from None
    except ValueError:
        raise _RefusedKey("a wrong passphrase" if passphrase else "it is not a private key in PEM (PKCS#8)") from None


def _public(der: bytes) -> PublicKeyTypes:
    from cryptography.hazmat.primitives import serialization

    return serialization.load_der_public_key(der)


def _passphrase(order: Mapping[str, Any]) -> bytes | None:
    return order["passphrase"].encode() if order["passphrase"] else None


def _text(key: PublicKeyTypes) -> str:
    from cryptography.hazmat.primitives import serialization

    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()


_TASKS = {"verify": verified, "chain": chained, "sign": signed, "generate": generated, "show": shown}

if __name__ == "__main__":
    sys.exit(main())
