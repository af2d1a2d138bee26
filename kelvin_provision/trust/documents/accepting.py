"""Whether trust documents follow what this box believes: computed in one process, which parses none before it is verified."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kelvin_provision.errors import OurBug
from kelvin_provision.errors.documents import from_document
from kelvin_provision.trust.computing import ask, text_of
from kelvin_provision.trust.documents.model import SignedDocument, Step, TrustDocument
from kelvin_provision.trust.documents.reading import decode


def followed(before: TrustDocument, documents: Sequence[SignedDocument]) -> tuple[Step, ...]:
    """Each document with who signed it, in order: all of them follow, or none is returned.

    Raises TrustDocumentInvalid, TrustDocumentRefused; Locked, ApiMissing or OurBug if it could not be checked.
    """
    root = {"keys": [[key.name, text_of(key.der)] for key in before.root.keys], "threshold": before.root.threshold}
    return _asked({"number": before.number, "revoked": before.revoked.keys, **root}, documents)


def checked(documents: Sequence[SignedDocument]) -> tuple[Step, ...]:
    """The same at a desk: they follow each other, and the first is signed by its own root keys."""
    return _asked(None, documents)


def _asked(before: dict[str, Any] | None, documents: Sequence[SignedDocument]) -> tuple[Step, ...]:
    if not documents:
        return ()
    pairs = [[text_of(signed.content), text_of(signed.signatures)] for signed in documents]
    answer = ask("chain", {"before": before, "documents": pairs}, purpose="check trust documents")
    if "error" in answer:
        raise from_document(answer["error"])
    signers = answer.get("signers")
    if not isinstance(signers, list) or len(signers) != len(documents):
        raise OurBug("the process that was to check trust documents gave another answer")
    return tuple(
        Step(decode(signed.content), signed, tuple((key, name) for key, name in by)) for signed, by in zip(documents, signers, strict=True)
    )
