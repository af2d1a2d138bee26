"""Requests that are signed: who signed them, as the history has it, and what becomes of the others."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kelvin_provision.errors import SignatureMissing
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.hashing import sha256_hex
from kelvin_provision.hints import command

if TYPE_CHECKING:
    from kelvin_provision.trust.believed import Trust

HOW = command(
    "key sign",
    *("FILE", "--key", "KEY"),
    instruction="sign the whole request where the key is",
    note="deploy it with FILE.sig beside it, or with the base64 of that in the header X-Kelvin-Signature",
)


@dataclass(frozen=True)
class RequestFile:
    """The bytes of a request, and the document with its signatures, None where there is none."""

    name: str
    content: bytes
    signatures: bytes | None = None


@dataclass(frozen=True)
class SignedRequest:
    """Who signed a request: for the history, with the digest of exactly what was signed, and the ids of the keys.

    `trust` is the number of the trust document by which it was verified.
    """

    note: str
    keys: tuple[str, ...]
    trust: int


def signature_path(path: Path) -> Path:
    """Of the signatures of a request that is a file."""
    return path.with_name(f"{path.name}.sig")


def signers(trust: Trust, files: Sequence[RequestFile]) -> Mapping[str, SignedRequest]:
    """For each signed file who signed which bytes. A signature that comes along must be right, also where none is required.

    Raises what `verifying.verify` raises.
    """
    return {file.name: signed for file in files if (signed := _checked(trust, file))}


def _checked(trust: Trust, file: RequestFile) -> SignedRequest | None:
    if file.signatures is None:
        if trust.required("request"):
            raise unsigned([file.name])
        return None
    from kelvin_provision.trust.dsse import REQUEST
    from kelvin_provision.trust.verifying import verify  # most requests have no signature

    verified = verify(REQUEST, file.content, file.signatures, trust)
    keys = tuple(signer.key_id for signer in verified.signers)
    return SignedRequest(note_of(verified.text, sha256_hex(file.content)), keys, trust.number)


def note_of(text: str, digest: str) -> str:
    """For the history: who signed, and the digest of exactly what was signed."""
    return f"signed by {text}, sha256:{digest}"


def refuse_unsigned(trust: Trust, names: Collection[str], signed: Collection[str]) -> None:
    """The last check before requests are stored, for every way in. Raises SignatureMissing."""
    missing = [name for name in names if name not in signed]
    if missing and trust.required("request"):
        raise unsigned(missing)


def unsigned(names: Sequence[str]) -> SignatureMissing:
    return SignatureMissing(f"{', '.join(names)}: not signed, and this box accepts signed requests only", hint=HOW)
