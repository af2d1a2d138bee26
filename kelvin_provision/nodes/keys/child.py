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
from cryptography.x509.oid import ExtendedKeyUsageOID

from kelvin_provision.tls import certificates
from kelvin_provision.tls.certificates import PEM, loaded, new_key, signed_by, text_of
from kelvin_provision.trust.child import limit_itself


def main() -> int:
    limit_itself()
    order = json.loads(sys.stdin.buffer.read())
    sys.stdout.write(json.dumps(_TASKS[order["task"]](order)))
    return 0


def requested(order: Mapping[str, Any]) -> dict[str, str]:
    """A key, and a request for a certificate that it has signed."""
    key = new_key()
    request = x509.CertificateSigningRequestBuilder().subject_name(certificates.name(order["name"])).sign(key, hashes.SHA256())
    return {"key": text_of(key), "request": request.public_bytes(PEM).decode()}


def authority(order: Mapping[str, Any]) -> dict[str, str]:
    key = new_key()
    certificate = certificates.authority(key, "kelvin-provision nodes", order["name"], _validity(order))
    return {"key": text_of(key), "certificate": certificate.public_bytes(PEM).decode()}


def certified(order: Mapping[str, Any]) -> dict[str, str]:
    """A certificate for the key of a request. Nothing of the request but its key gets into it; `host` only where it is the leader's."""
    key, issuer = loaded(order["authority"].encode())
    public = _key_of(order["request"])
    if public is None:
        return {"refused": "it asks for a certificate in a form that is not accepted"}
    certificate = signed_by(
        issuer,
        key,
        order["name"],
        public,
        _validity(order),
        purposes=[ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH],
        names=[x509.DNSName(order["host"])] if order["host"] else [],
    )
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return {"certificate": certificate.public_bytes(PEM).decode(), "key_id": hashlib.sha256(der).hexdigest()}


def _key_of(pem: str) -> ec.EllipticCurvePublicKey | None:
    """None for a request that is not accepted."""
    try:
        request = x509.load_pem_x509_csr(pem.encode())
        public = request.public_key()
        if isinstance(public, ec.EllipticCurvePublicKey) and isinstance(public.curve, ec.SECP256R1) and request.is_signature_valid:
            return public
    except Exception:  # noqa: BLE001  (whatever a hostile request leads to, it is refused)
        return None
    return None


def _validity(order: Mapping[str, Any]) -> tuple[datetime, datetime]:
    return datetime.fromisoformat(order["begins"]), datetime.fromisoformat(order["ends"])


_TASKS = {"request": requested, "authority": authority, "certify": certified}

if __name__ == "__main__":
    sys.exit(main())
