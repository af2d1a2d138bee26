"""Starts the process that makes certificates, and says from when to when they are valid."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kelvin_provision import timestamps
from kelvin_provision.errors import CertificateUnusable
from kelvin_provision.files.one_shot import computed
from kelvin_provision.hints import command
from kelvin_provision.tls.files import AUTHORITY, SERVER, Chain, key_of, write_pair
from kelvin_provision.tls.x509 import pem_of_der

LIFE, AUTHORITY_LIFE = timedelta(days=397), timedelta(days=3652)
"""Browsers take no more than the first from a public authority; telephones refuse 825 days."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""An authority is valid for every clock: a new one would have to be trusted by every client again."""
RENEW_AUTHORITY = command("api cert renew", "--authority")
BACKDATED = timedelta(days=7)
"""So that it is valid for a client whose clock is behind, or after this box's clock was ahead."""


def issue(folder: Path, names: Sequence[str], authority: Chain | None, now: datetime) -> None:
    """A new certificate for these names, and without an authority one of those. Raises ApiMissing, CertificateUnusable, NoSpace, ..."""
    likely = max(now, timestamps.FIRST_RELEASE)
    if authority and authority.leaf.ends <= likely:
        raise CertificateUnusable(f"the authority of this box ended on {authority.leaf.ends:%Y-%m-%d}", hint=RENEW_AUTHORITY)
    begins, ends = validity(now)
    signer = pem_of_der(authority.leaf.der) if authority else b""
    order = {
        "authority": (key_of(authority) + signer).decode() if authority else None,
        "box": socket.gethostname(),
        "names": list(names),
        "begins": timestamps.rfc3339(begins),
        "ends": timestamps.rfc3339(ends),
        "authority_begins": timestamps.rfc3339(EPOCH),
        "authority_ends": timestamps.rfc3339(likely + AUTHORITY_LIFE),
    }
    made = _made(order)
    if authority is None:
        signer = made["authority_certificate"].encode()
        write_pair(folder / AUTHORITY, made["authority_key"].encode(), signer)
    write_pair(folder / SERVER, made["key"].encode(), made["certificate"].encode(), signer)


def validity(now: datetime) -> tuple[datetime, datetime]:
    """Of a certificate. Where the clock is before this program's first release, it begins then, and ends as if it were that day."""
    likely = max(now, timestamps.FIRST_RELEASE)
    return min(now, likely - BACKDATED), likely - BACKDATED + LIFE


def _made(order: Mapping[str, object]) -> dict[str, str]:
    data = computed("kelvin_provision.tls.issue", json.dumps(order).encode(), purpose="make a certificate", needs="certificates")
    made: dict[str, str] = json.loads(data)
    return made
