"""Make the trust document after the newest: from a file at a desk, or from what a box believes."""

from __future__ import annotations

from pathlib import Path

from kelvin_provision.errors import CannotWrite
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.durable import write_durably
from kelvin_provision.files.hashing import digest_of
from kelvin_provision.trust.documents import loose
from kelvin_provision.trust.documents.making import Changes, first, successor
from kelvin_provision.trust.documents.model import TrustDocument
from kelvin_provision.trust.documents.reading import decode, encode


@dataclass(frozen=True)
class CreateTrustRequest:
    """`after` is the file of the document before, None for the first. `to` is the new file."""

    to: Path
    changes: Changes
    after: Path | None = None


@dataclass(frozen=True)
class CreatedTrust:
    path: Path
    document: TrustDocument
    digest: str


def create(request: CreateTrustRequest) -> CreatedTrust:
    """Raises CannotWrite if the file is there already; FileUnreadable, TrustDocumentInvalid, UsageRefused."""
    if request.to.exists():
        raise CannotWrite(f"{request.to} is there already, and what may have been signed is never overwritten", hint="choose another name")
    before = decode(loose.content(request.after)) if request.after else None
    document = successor(before, request.changes) if before else first(request.changes)
    data = encode(document)
    decode(data)  # nothing is written that no box reads
    write_durably(request.to, [data], mode=0o644)
    return CreatedTrust(request.to, document, digest_of(data))
