"""Trust documents as files of a person, each with its signatures beside it in FILE.sig."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from kelvin_provision.errors import FileUnreadable, SignatureMissing
from kelvin_provision.files.durable import read_regular
from kelvin_provision.hints import command
from kelvin_provision.trust.documents.model import LARGEST, SignedDocument
from kelvin_provision.trust.documents.reading import decode, wrong
from kelvin_provision.trust.dsse import TRUST
from kelvin_provision.trust.requests import signature_path
from kelvin_provision.trust.signed_files import SignedFile, sign_file
from kelvin_provision.trust.signing import PrivateKey, SignCommand


def content(path: Path) -> bytes:
    """Raises FileUnreadable, TrustDocumentInvalid for a longer one."""
    try:
        data = read_regular(path, LARGEST + 1, links=True)[0]
    except OSError as error:
        raise FileUnreadable(f"{path}: {(error.strerror or str(error)).lower()}") from error
    if len(data) > LARGEST:
        raise wrong(f"{path} has more than {LARGEST} bytes")
    return data


def read(path: Path) -> SignedDocument:
    """Raises FileUnreadable, SignatureMissing."""
    beside = signature_path(path)
    data = content(path)
    if not beside.exists():
        hint = command("trust sign", str(path), "--key", "KEY", instruction="where the key is")
        raise SignatureMissing(f"there is no {beside}", hint=hint)
    return SignedDocument(data, content(beside))


def in_order(documents: Iterable[SignedDocument]) -> tuple[SignedDocument, ...]:
    """By number, each once. A person gave them: they are looked into before they are verified. Raises TrustDocumentInvalid."""
    once = {signed.digest: signed for signed in documents}
    return tuple(sorted(once.values(), key=lambda signed: decode(signed.content).number))


def sign(path: Path, key: PrivateKey | SignCommand, *, replace: bool = False) -> SignedFile:
    """Nothing is signed that no box reads. Raises TrustDocumentInvalid, and what `signed_files.sign_file` raises."""
    decode(content(path))
    return sign_file(path, key, replace=replace, payload_type=TRUST)
