"""Import trust documents without a bundle: files of a person, or what a bundle has of them, whatever else is in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kelvin_provision.context import Context
from kelvin_provision.errors import SignerUnknown, TrustDocumentRefused
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.hints import command
from kelvin_provision.trust.documents import loose
from kelvin_provision.trust.documents.model import SignedDocument, Step
from kelvin_provision.trust.documents.renewing import renewed
from kelvin_provision.usecases.bundles.trust import trusting


@dataclass(frozen=True)
class ImportTrustRequest:
    """Files of documents, each with its signatures in FILE.sig."""

    files: tuple[Path, ...]


@dataclass(frozen=True)
class ImportTrustResult:
    """`number` is what the box believes now; `steps` are new."""

    number: int
    steps: tuple[Step, ...]

    def to_json(self) -> dict[str, Any]:
        new = [{"number": step.document.number, "digest": step.signed.digest, "signers": list(step.signed_by)} for step in self.steps]
        return {"number": self.number, "new": new}


def import_documents(ctx: Context, request: ImportTrustRequest) -> ImportTrustResult:
    """All of them, or none. What was accepted before may be among them, but not alone, unless it is the newest.

    Raises FileUnreadable, SignatureMissing, SignerUnknown without trusted keys, TrustDocumentInvalid, TrustDocumentRefused, Locked.
    """
    documents = loose.in_order(loose.read(path) for path in request.files)
    return accept_documents(ctx, documents, origin=f"from {', '.join(map(str, request.files))}")


def accept_documents(ctx: Context, documents: Sequence[SignedDocument], *, origin: str) -> ImportTrustResult:
    """The same of documents that came another way, in order. Raises what it raises."""
    trust = ctx.believed(documents)
    if not trust.has_keys:
        hint = command("config set", "trust.keys", "FILE", sudo=True, instruction="the first key is set by hand")
        raise SignerUnknown("this box has no trust.keys by which to verify a trust document", hint=hint)
    steps = renewed(trust, documents)
    if not steps:
        _refuse_older(ctx, documents)
    trusting.accept(ctx, trust.number, steps, documents, origin=origin, action="trust import")
    return ImportTrustResult(steps[-1].document.number if steps else trust.number, steps)


def _refuse_older(ctx: Context, documents: Sequence[SignedDocument]) -> None:
    """All of them are known: the newest again is no error, an older one alone is."""
    newest = ctx.ledger.newest_trust()
    if newest and newest.digest not in {signed.digest for signed in documents}:
        raise TrustDocumentRefused(
            f"this was accepted before, and this box believes number {newest.number} by now", hint="nothing is to be done"
        )
