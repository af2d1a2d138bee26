"""Signatures of a bundle: made over the exact bytes of its table of contents, and added in place."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from kelvin_provision.bundles import limits
from kelvin_provision.bundles.contents import decode
from kelvin_provision.bundles.head import Head
from kelvin_provision.bundles.model import ARCHIVE, PACKAGE, PAYLOAD_TYPE
from kelvin_provision.bundles.opening import find, read_head
from kelvin_provision.bundles.writing.layout import SIGNATURES_AT
from kelvin_provision.bundles.writing.stream import padded
from kelvin_provision.bundles.zips import layout
from kelvin_provision.errors import SignatureInvalid, UsageRefused
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.durable import open_own, writing_to
from kelvin_provision.trust.dsse import Entry, document, entries_of, joined
from kelvin_provision.trust.signing import PrivateKey, SignCommand, public_key_of, sign

Signer = PrivateKey | SignCommand


def signatures_with(table: bytes, before: bytes, signer: Signer | None) -> bytes:
    """Those that there were, with the signer's. Raises what `trust.signing.sign` raises; SignatureInvalid when there is no room."""
    if signer is None:
        return before
    data = document(joined(_entries(before), sign(PAYLOAD_TYPE, table, signer)))
    if len(data) > limits.SIGNATURES:
        raise SignatureInvalid(f"no room for another signature: they have {limits.SIGNATURES} bytes", hint="make the bundle again")
    return data


def check(signer: Signer | None) -> None:
    """Before the work that would end with it. Raises KeyInvalid."""
    if isinstance(signer, PrivateKey):
        public_key_of(signer)


@dataclass(frozen=True)
class SignResult:
    """`added` is the key ID of the new signature; `signers` are all of them."""

    path: Path
    digest: str
    added: tuple[str, ...]
    signers: tuple[str, ...]


def add(place: Path, signer: Signer) -> SignResult:
    """Another signature for a bundle, where its signatures are: nothing else is written.

    Raises what finding, reading and decoding a bundle raises, what `trust.signing.sign` raises, CannotWrite, PermissionRefused.
    """
    files = find(place)
    head = read_head(files, named=True)
    decode(head.contents)  # nothing is signed that no box can read
    before = _entries(head.signatures.rstrip(b" "))
    data = signatures_with(head.contents, head.signatures.rstrip(b" "), signer)
    path = files.paths[1]
    with writing_to(path):
        descriptor = open_own(path, os.O_RDWR)
        try:
            for offset, part in _places(head, padded(data)):
                os.pwrite(descriptor, part, offset)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    signers = tuple(entry.key_id for entry in entries_of(data))
    return SignResult(path, head.digest, tuple(entry.key_id for entry in entries_of(data) if entry not in before), signers)


def _places(head: Head, signatures: bytes) -> Iterator[tuple[int, bytes]]:
    """What is written where."""
    if head.form == ARCHIVE:
        yield SIGNATURES_AT, signatures
    elif head.form == PACKAGE:
        yield from layout.resigned(decode(head.contents), signatures)
    else:
        raise UsageRefused("a zip of another program has no room for signatures", hint="import it, and make a package or a bundle of it")


def _entries(data: bytes) -> tuple[Entry, ...]:
    """Empty if the signatures on the medium are damaged: their signers have to sign again."""
    try:
        return entries_of(data)
    except SignatureInvalid:
        return ()
