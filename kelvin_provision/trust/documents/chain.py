"""When a trust document follows another: one number higher, and signed by both. Pure; who calls it says how a signature is checked.

A document is verified with the root keys of the one before, and only then parsed; its own root keys must have signed it, too, so that
no key becomes root that is lost already. What it revokes, it revokes from then on: a key may sign the document that ends it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from kelvin_provision.errors import SignatureInvalid, TrustDocumentInvalid, TrustDocumentRefused
from kelvin_provision.hints import command
from kelvin_provision.trust.documents.model import LARGEST, MOST, Role, SignedDocument, Step, TrustDocument
from kelvin_provision.trust.documents.reading import decode, wrong
from kelvin_provision.trust.dsse import Entry, entries_of
from kelvin_provision.trust.public_keys import PublicKey

Fits = Callable[[bytes, Sequence[tuple[PublicKey, bytes]]], Sequence[bool]]
"""Whether each signature was made by its key over these bytes, as a trust document."""
_NUMBER = re.compile(rb'\{\s{0,8}"number":\s{0,8}([0-9]{1,10})[,\s]')
"""As every document begins that this program makes."""
UNSIGNED = command("trust sign", *("FILE", "--key", "KEY"), instruction="have it signed with the keys that are missing")


def steps(before: TrustDocument, documents: Iterable[SignedDocument], fits: Fits) -> Iterator[Step]:
    """Each document that follows, in order. Raises TrustDocumentInvalid, TrustDocumentRefused at the first that does not."""
    for number, signed in enumerate(documents):
        if number >= MOST:
            raise wrong(f"more than {MOST} of them")
        step = _step(before, signed, fits)
        before = step.document
        yield step


def consistent(documents: Sequence[SignedDocument], fits: Fits) -> Iterator[Step]:
    """The same at a desk, which does not know what a box believes: of the first, only its own signatures are checked."""
    for signed in documents[:1]:
        first = _own(decode(signed.content), signed, fits)
        yield first
        yield from steps(first.document, documents[1:], fits)


def _step(before: TrustDocument, signed: SignedDocument, fits: Fits) -> Step:
    if len(signed.content) > LARGEST:
        raise wrong(f"{len(signed.content)} bytes, the limit is {LARGEST}")
    earlier = _signers(before.root, signed, fits)
    if len(earlier) < before.root.threshold:
        if number := _NUMBER.match(signed.content):
            _refuse_number(before.number, int(number[1]))  # the likelier cause; nothing else of it is read
        raise _unmet(f"after number {before.number}", before.root, earlier)
    document = decode(signed.content)
    _refuse_number(before.number, document.number)
    forgotten = set(before.revoked.keys) - set(document.revoked.keys)
    if forgotten:
        raise wrong(f"number {document.number} does not revoke {min(forgotten)[:12]}, which number {before.number} revokes")
    own = _own(document, signed, fits)
    return Step(document, signed, tuple(dict.fromkeys((*((key.key_id, key.name) for key in earlier), *own.signers))))


def _own(document: TrustDocument, signed: SignedDocument, fits: Fits) -> Step:
    signers = _signers(document.root, signed, fits)
    if len(signers) < document.root.threshold:
        raise _unmet(f"of number {document.number} itself", document.root, signers)
    return Step(document, signed, tuple((key.key_id, key.name) for key in signers))


def _refuse_number(before: int, number: int) -> None:
    if number <= before:
        raise TrustDocumentRefused(
            f"trust document {number} is older than what this box believes, number {before}, or another one of the same number",
            hint="nothing is to be done, unless it was to be a new one: then make it after the newest",
        )
    if number > before + 1:
        gap = f"{before + 1} to {number - 1}" if number > before + 2 else str(number - 1)
        raise TrustDocumentRefused(
            f"trust document {number} does not follow number {before}: {gap} is missing",
            hint="bring every document from the next number on, together",
        )


def _unmet(whose: str, role: Role, signers: Sequence[PublicKey]) -> TrustDocumentRefused:
    by = f" by {', '.join(key.text for key in signers)}" if signers else ""
    text = f"the trust document is signed{by} with {len(signers)} of the root keys {whose}, and {role.threshold} must have signed it"
    return TrustDocumentRefused(text, hint=UNSIGNED)


def _signers(role: Role, signed: SignedDocument, fits: Fits) -> tuple[PublicKey, ...]:
    """Keys of the role that have signed, each once. One whose signature does not fit is an error, even beside others that do."""
    known = {key.key_id: key for key in role.keys}
    pairs = [(known[entry.key_id], entry.signature) for entry in _entries(signed.signatures) if entry.key_id in known]
    for (key, _), right in zip(pairs, fits(signed.content, pairs) if pairs else (), strict=True):
        if not right:
            raise TrustDocumentInvalid(f"the signature of {key.text} does not belong to this trust document")
    return tuple({key.key_id: key for key, _ in pairs}.values())


def _entries(data: bytes) -> tuple[Entry, ...]:
    if len(data) > LARGEST:
        raise wrong(f"its signatures have {len(data)} bytes, the limit is {LARGEST}")
    try:
        return entries_of(data)
    except SignatureInvalid as error:
        raise TrustDocumentInvalid(f"trust document: {error}") from error
