"""Makes an authority and a certificate of it: `python -m kelvin_provision.tls.issue`, JSON on standard input and output.

In a process of its own, because `cryptography` takes 9 MiB. It reads and writes no file; keys go through pipes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import datetime
from ipaddress import ip_address
from typing import Any

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from kelvin_provision.tls.certificates import PEM, authority, loaded, new_key, signed_by, text_of


def main() -> int:
    order = json.loads(sys.stdin.buffer.read())
    sys.stdout.write(json.dumps(made(order)))
    return 0


def made(order: Mapping[str, Any]) -> dict[str, str]:
    """PEM texts by name. `order` has `authority`, a PEM of key and certificate, or null for a new one."""
    begins, ends = _validity(order, "")
    result: dict[str, str] = {}
    if order["authority"]:
        key, certificate = loaded(order["authority"].encode())
    else:
        key = new_key()
        certificate = authority(key, "kelvin-provision", order["box"], _validity(order, "authority_"))
        result |= {"authority_key": text_of(key), "authority_certificate": certificate.public_bytes(PEM).decode()}
    own = new_key()
    leaf = signed_by(
        certificate,
        key,
        order["box"],
        own.public_key(),
        (begins, min(ends, certificate.not_valid_after_utc)),
        purposes=[ExtendedKeyUsageOID.SERVER_AUTH],
        names=[_alternative(name) for name in order["names"]],
    )
    return {**result, "key": text_of(own), "certificate": leaf.public_bytes(PEM).decode()}


def _validity(order: Mapping[str, Any], prefix: str) -> tuple[datetime, datetime]:
    return datetime.fromisoformat(order[f"{prefix}begins"]), datetime.fromisoformat(order[f"{prefix}ends"])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


if __name__ == "__main__":
    sys.exit(main())
