"""Checks and makes signatures: `python -m kelvin_provision.trust.child`, a line of JSON and the message on standard input, JSON as output.

In a process of its own, because `cryptography` takes 9 MiB. It reads and writes no file; keys go through pipes.
"""

from __future__ import annotations

import base64
import json
import resource
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

MEMORY, PROCESSOR = 512 << 20, 30
"""Bytes of addresses, of which a tenth is used, and seconds: what a hostile key or message can take at most."""

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes


class _RefusedKey(Exception):
    """A key cannot be used; the text says which it is."""


def main() -> int:
    _limit()
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


def _limit() -> None:
    """No file of its memory either: it has held a private key."""
    for kind, limit in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CPU, PROCESSOR), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(kind)[1]
        resource.setrlimit(kind, (limit, hard) if hard == resource.RLIM_INFINITY or hard >= limit else (hard, hard))


def verified(order: Mapping[str, Any], message: bytes) -> dict[str, Any]:
    """Whether each signature was made by its key."""
    pairs = [(_public(base64.b64decode(pair["key"])), base64.b64decode(pair["signature"])) for pair in order["pairs"]]
    return {"fits": [_fits(key, signature, message) for key, signature in pairs]}


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
    passphrase = _passphrase(order)
    protection = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)
    return {"private": pem.decode(), "public": _text(key.public_key())}


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


_TASKS = {"verify": verified, "sign": signed, "generate": generated, "show": shown}

if __name__ == "__main__":
    sys.exit(main())
