"""Requests, and packages of this program, as files, each with its signatures beside it in FILE.sig."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kelvin_provision.errors import FileUnreadable, SignatureMissing
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.durable import read_regular, write_durably
from kelvin_provision.files.hashing import sha256_hex
from kelvin_provision.trust.believed import Trust
from kelvin_provision.trust.computing import LARGEST_PAYLOAD
from kelvin_provision.trust.dsse import LARGEST_DOCUMENT, RELEASE, REQUEST, document, entries_of, joined
from kelvin_provision.trust.public_keys import PublicKey
from kelvin_provision.trust.release_files import is_release, release_file
from kelvin_provision.trust.requests import signature_path
from kelvin_provision.trust.signing import PrivateKey, SignCommand, sign
from kelvin_provision.trust.verifying import Verified, verify, verify_with


@dataclass(frozen=True)
class Payload:
    """What is signed of a file: all of a request; of a package of this program a statement with its digest, which is `digest`."""

    type: str
    content: bytes
    digest: str

    @property
    def kind(self) -> str:
        """For people."""
        return "program" if self.type == RELEASE else "request"


@dataclass(frozen=True)
class SignedFile:
    """`digest` is that of the file."""

    kind: str
    path: Path
    signatures: Path
    key_id: str
    digest: str


@dataclass(frozen=True)
class VerifiedFile:
    kind: str
    path: Path
    verified: Verified
    digest: str


def sign_file(path: Path, key: PrivateKey | SignCommand, *, replace: bool = False, payload_type: str = REQUEST) -> SignedFile:
    """Beside the signatures of others that are there, unless `replace`.

    Raises FileUnreadable, SignatureInvalid, KeyInvalid, SigningFailed.
    """
    payload, beside = payload_of(path, payload_type=payload_type), signature_path(path)
    before = () if replace or not beside.exists() else entries_of(_read(beside, LARGEST_DOCUMENT))
    entry = sign(payload.type, payload.content, key)
    data = document(joined(before, entry))
    entries_of(data)  # more than can be read back must not be written
    write_durably(beside, [data], mode=0o644)
    return SignedFile(payload.kind, path, beside, entry.key_id, payload.digest)


def verify_file(path: Path, by: Trust | Sequence[PublicKey]) -> VerifiedFile:
    """By whom a box believes, or with keys of which one is enough. Raises FileUnreadable, and what `verifying.verify` raises."""
    payload, beside = payload_of(path), signature_path(path)
    if not beside.exists():
        raise SignatureMissing(f"there is no {beside}")
    signatures, signed = _read(beside, LARGEST_DOCUMENT), (payload.type, payload.content)
    verified = verify(*signed, signatures, by) if isinstance(by, Trust) else verify_with(*signed, signatures, tuple(by))
    return VerifiedFile(payload.kind, path, verified, payload.digest)


def payload_of(path: Path, *, payload_type: str = REQUEST) -> Payload:
    """Of a package of this program as such, and of anything else as this type. Raises FileUnreadable."""
    if is_release(path):
        release = release_file(path)
        return Payload(RELEASE, release.statement, f"sha256:{release.digest}")
    content = _read(path, LARGEST_PAYLOAD)
    return Payload(payload_type, content, f"sha256:{sha256_hex(content)}")


def _read(path: Path, most: int) -> bytes:
    """At most one byte more than is allowed. Pipes and devices are refused: they cannot be read a second time."""
    try:
        return read_regular(path, most + 1, links=True)[0]
    except OSError as error:
        raise FileUnreadable(f"{path}: {(error.strerror or str(error)).lower()}") from error
