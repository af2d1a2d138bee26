"""Whether trust documents follow what this box believes: computed in one process, which parses none before it is verified."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kelvin_provision.errors import OurBug
from kelvin_provision.errors.documents import from_document
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.trust.computing import ask, fitting, refuse_larger, text_of
from kelvin_provision.trust.documents.model import SignedDocument, Step, TrustDocument
from kelvin_provision.trust.documents.reading import decode
from kelvin_provision.trust.dsse import Entry, pae
from kelvin_provision.trust.public_keys import PublicKey

Fitting = Callable[[str, bytes, Sequence[tuple[PublicKey, bytes]]], tuple[bool, ...]]


@dataclass(frozen=True)
class Beside:
    """What came with the documents: a payload, and signatures of it by keys of a role of the last document."""

    role: str
    payload_type: str
    payload: bytes
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Followed:
    """Each document with who signed it, in order. `fits` answers as `computing.fitting` does, for what came beside them alone."""

    steps: tuple[Step, ...] = ()
    fits: Fitting = fitting


def followed(before: TrustDocument, documents: Sequence[SignedDocument], beside: Beside | None = None) -> Followed:
    """All of the documents follow, or none is returned. `beside` is checked by the same process: starting one is what takes time.

    Raises TrustDocumentInvalid, TrustDocumentRefused; SignatureInvalid for a payload that is too large; Locked, ApiMissing or OurBug if it
    could not be checked.
    """
    root = {"keys": [[key.name, text_of(key.der)] for key in before.root.keys], "threshold": before.root.threshold}
    return _asked({"number": before.number, "revoked": before.revoked.keys, **root}, documents, beside)


def checked(documents: Sequence[SignedDocument]) -> tuple[Step, ...]:
    """The same at a desk: they follow each other, and the first is signed by its own root keys."""
    return _asked(None, documents, None).steps


def _asked(before: dict[str, Any] | None, documents: Sequence[SignedDocument], beside: Beside | None) -> Followed:
    if not documents:
        return Followed()
    entries = beside.entries if beside else ()
    if beside:
        refuse_larger(beside.payload)
    message = pae(beside.payload_type, beside.payload) if beside else b""
    order = {
        "before": before,
        "documents": [[text_of(signed.content), text_of(signed.signatures)] for signed in documents],
        "role": beside.role if beside else "root",
        "entries": [[entry.key_id, text_of(entry.signature)] for entry in entries],
    }
    answer = ask("chain", order, message, purpose="check trust documents")
    if "error" in answer:
        raise from_document(answer["error"])
    signers, fits = answer.get("signers"), answer.get("fits")
    if not isinstance(signers, list) or len(signers) != len(documents) or not isinstance(fits, list) or len(fits) != len(entries):
        raise OurBug("the process that was to check trust documents gave another answer")
    steps = tuple(
        Step(decode(signed.content), signed, tuple((key, name) for key, name in by)) for signed, by in zip(documents, signers, strict=True)
    )
    right = {(entry.key_id, entry.signature) for entry, is_right in zip(entries, fits, strict=True) if is_right is True}
    return Followed(steps, _only(beside, right) if beside else fitting)


def _only(beside: Beside, right: set[tuple[str, bytes]]) -> Fitting:
    def fits(payload_type: str, payload: bytes, pairs: Sequence[tuple[PublicKey, bytes]]) -> tuple[bool, ...]:
        if (payload_type, payload) != (beside.payload_type, beside.payload):
            return fitting(payload_type, payload, pairs)
        return tuple((key.key_id, signature) in right for key, signature in pairs)

    return fits
