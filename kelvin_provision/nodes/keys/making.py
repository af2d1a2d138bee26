"""Starts the process that makes keys and certificates of nodes, and keeps what it made. Raises ApiMissing, Locked, OurBug, NoSpace, ..."""

from __future__ import annotations

import json
import socket
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from kelvin_provision import timestamps
from kelvin_provision.errors import JoinRefused, StateDamaged
from kelvin_provision.files.lock import exclusive
from kelvin_provision.files.one_shot import TIMEOUT, computed
from kelvin_provision.hints import command
from kelvin_provision.nodes.keys.files import AUTHORITY, LEADER_HOST, LOCK, NODE, folder, own_certificate
from kelvin_provision.tls.files import write_pair
from kelvin_provision.tls.issuing import AUTHORITY_LIFE, EPOCH, LIFE
from kelvin_provision.tls.judging import RENEW
from kelvin_provision.tls.x509 import Certificate, InvalidCertificate, certificates_of_pem


class KeyRequest(NamedTuple):
    """A new private key, and a request for a certificate for it; both PEM."""

    key: str
    request: str


class Certified(NamedTuple):
    """A certificate (PEM), and the SHA-256 of its public key."""

    certificate: str
    key_id: str


def key_request(name: str) -> KeyRequest:
    """For a member, or for the leader itself."""
    made = _made({"task": "request", "name": name})
    return KeyRequest(made["key"], made["request"])


def lead(state_dir: Path, now: datetime) -> bytes:
    """The authority of this leader, key and certificate (PEM). What is missing or about to end is made, by one process at a time.

    Raises Locked, StateDamaged.
    """
    place = folder(state_dir)
    with exclusive(place / LOCK, command="keys of nodes", wait=TIMEOUT):
        return _lead(place, now)


def _lead(place: Path, now: datetime) -> bytes:
    path = place / AUTHORITY
    if not path.exists():
        made = _made({"task": "authority", "name": socket.gethostname(), **_validity(now, authority=True)})
        write_pair(path, made["key"].encode(), made["certificate"].encode())
    pem = path.read_bytes()
    own = own_certificate(place.parent)
    if own is None or own.leaf.days_left(now) < RENEW or own.certificates[-1].der != _certificate(path, pem).der:
        asked = key_request(socket.gethostname())
        done = certify(pem, asked.request, socket.gethostname(), now, host=LEADER_HOST)
        write_pair(place / NODE, asked.key.encode(), done.certificate.encode(), certificate_of(pem))
    return pem


def _certificate(path: Path, pem: bytes) -> Certificate:
    try:
        return certificates_of_pem(pem)[0]
    except InvalidCertificate as error:
        raise StateDamaged(f"{path} is damaged", hint="put it back from a copy of the ledger: members know their leader by it") from error


def certify(authority: bytes, request: str, name: str, now: datetime, *, host: str = "") -> Certified:
    """For the key of this request. Raises JoinRefused for one that is no request of ours, and for a node that is named as leaders are."""
    if name == LEADER_HOST:
        raise JoinRefused(f"{name} is a name that no node has", hint=command("node join", "LEADER", "--name", "NAME"))
    order = {"task": "certify", "authority": authority.decode(), "request": request, "name": name, "host": host}
    made = _made({**order, **_validity(now)})
    if "refused" in made:
        raise JoinRefused(f"{name}: {made['refused']}", hint="install the same version of kelvin-provision on both nodes")
    return Certified(made["certificate"], made["key_id"])


def certificate_of(pem: bytes) -> bytes:
    """What of a file with a key and certificates may be shown."""
    mark = b"-----BEGIN CERTIFICATE-----"
    return mark + pem.partition(mark)[2]


def _validity(now: datetime, *, authority: bool = False) -> dict[str, str]:
    """From the first day of every clock on: a node without a clock battery must reach its leader."""
    likely = max(now, timestamps.FIRST_RELEASE)
    return {"begins": timestamps.rfc3339(EPOCH), "ends": timestamps.rfc3339(likely + (AUTHORITY_LIFE if authority else LIFE))}


def _made(order: dict[str, str]) -> dict[str, str]:
    data = computed("kelvin_provision.nodes.keys.child", json.dumps(order).encode(), purpose="make a key", needs="several nodes")
    made: dict[str, str] = json.loads(data)
    return made
