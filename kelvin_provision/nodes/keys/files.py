"""Where the keys of this node are, and what a member knows of its leader."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from kelvin_provision.errors import CertificateUnusable, StateDamaged
from kelvin_provision.fast_dataclass import checked, dataclass
from kelvin_provision.files.durable import private_folder, read_own, write_durably
from kelvin_provision.files.hashing import sha256_hex
from kelvin_provision.tls.files import Chain
from kelvin_provision.tls.x509 import InvalidCertificate, certificates_of_pem, public_key_of_der

FOLDER, AUTHORITY, NODE, MEMBERSHIP, JOINING = "nodes", "authority.pem", "node.pem", "membership.json", "joining.json"
LOCK = "lock"
"""Of who makes the authority, or the certificate of a leader."""
T = TypeVar("T")
LEADER_HOST = "leader.kelvin-provision.internal"
"""In the leader's certificate and in no other: a member cannot pass for its leader."""


@dataclass(frozen=True)
class Membership:
    """What makes a node a member. `leader` is `https://HOST:PORT`, `cluster_node` its name in the cluster."""

    name: str
    leader: str
    cluster_node: str


@dataclass(frozen=True)
class Joining:
    """What a node has sent, or is about to: sent again it gets the same answer, if that was lost."""

    leader: str
    token: str
    name: str
    key: str
    request: str


def folder(state_dir: Path) -> Path:
    return private_folder(private_folder(state_dir) / FOLDER)


def membership(state_dir: Path) -> Membership | None:
    """None for a node that is no member. Raises StateDamaged."""
    return _read(state_dir / FOLDER / MEMBERSHIP, Membership)


def joining(state_dir: Path) -> Joining | None:
    with suppress(StateDamaged):
        return _read(state_dir / FOLDER / JOINING, Joining)
    return None


def write(path: Path, value: Membership | Joining) -> None:
    write_durably(path, [json.dumps(vars(value)).encode()])


def own_certificate(state_dir: Path) -> Chain | None:
    """That of this node, then its authority; None where there is none, or what is there is damaged."""
    path = state_dir / FOLDER / NODE
    try:
        certificates = certificates_of_pem(read_own(path))
    except (OSError, InvalidCertificate):
        return None
    return Chain(path, path, certificates) if len(certificates) > 1 else None


def own_chain(state_dir: Path) -> Chain:
    """Raises CertificateUnusable."""
    chain = own_certificate(state_dir)
    if chain is None:
        raise CertificateUnusable(f"{state_dir / FOLDER / NODE}: there is no certificate of this node", hint="join the leader again")
    return chain


def leads(state_dir: Path) -> bool:
    """Whether this node was ever made a leader."""
    return (state_dir / FOLDER / AUTHORITY).exists()


def key_id(der: bytes) -> str:
    """The SHA-256 of the public key of a certificate. Raises InvalidCertificate."""
    return sha256_hex(public_key_of_der(der))


def _read(path: Path, kind: type[T]) -> T | None:
    try:
        data = read_own(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateDamaged(f"{path}: {(error.strerror or 'cannot be read').lower()}") from error
    try:
        return checked(kind, json.loads(data))
    except (ValueError, TypeError, KeyError) as error:
        raise StateDamaged(f"{path} is damaged", hint="join the leader again") from error
