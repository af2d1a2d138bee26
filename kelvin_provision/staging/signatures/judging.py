"""Signatures of images: looked for where the image comes from, kept in the store, and judged by the keys that this box trusts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from kelvin_provision.errors import ImageUnsigned, ProvisionError, TransferStopped
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.ledger.reading.images import ImageReads
from kelvin_provision.registry.protocol import Blobs, Media, SignatureDocuments
from kelvin_provision.spec.lock import ImageLock, every_variant
from kelvin_provision.spec.signatures import ImageVerdict, SignatureFiles, Signer
from kelvin_provision.staging.signatures.arrived import documents_of, judged_and_kept
from kelvin_provision.store import Store
from kelvin_provision.trust.believed import Trust
from kelvin_provision.trust.documents.model import Role
from kelvin_provision.trust.roles import image_role
from kelvin_provision.wait_reason import WaitKind, WaitReason

MOST_UNREAD = 8
"""Reasons that are kept."""
UNSIGNED, KEYLESS, OTHERS, NOT_ENOUGH, SIGNED, UNKNOWN = "unsigned", "keyless", "others", "not-enough", "signed", "unknown"


@dataclass(frozen=True)
class ImageSigners:
    """Who signed an image, as this box counts it now: `state`, the signers that count, and a text for people."""

    state: str
    signers: tuple[Signer, ...] = ()
    text: str = ""

    @property
    def counts(self) -> bool:
        """Whether enough keys have signed."""
        return self.state == SIGNED

    def to_json(self) -> dict[str, Any]:
        signers = [{"name": signer.name, "key": signer.key_id} for signer in self.signers]
        return {"state": self.state, "signers": signers, "text": self.text}


# --- judging --------------------------------------------------------------------------------------------


def current(ledger: ImageReads, store: Store, lock: ImageLock, role: Role) -> ImageVerdict | None:
    """By what is on this box: the ledger's verdict, or a new one where there are keys or signatures that it does not know.

    None where nothing was ever looked for. Raises Locked, ApiMissing, OurBug if it could not be judged.
    """
    known, files = ledger.verdict(lock), store.signatures(lock)
    if not files or not _is_new(known, files, role):
        return known
    from kelvin_provision.trust.cosign.judging import Signed, judged

    blobs = {blob.digest: blob for each in files for blob in each.blobs()}
    data = {digest: store.path(digest).read_bytes() for digest, blob in blobs.items() if store.has(blob)}
    signed = [
        Signed(
            each.manifest.digest,
            data[each.manifest.digest],
            {blob.digest: data[blob.digest] for blob in each.payloads if blob.digest in data},
        )
        for each in files
        if each.manifest.digest in data
    ]
    new = judged(signed, documents_of(store, lock), role.keys)
    before = known.signers if known else ()  # what was verified once stays so, also where its files are gone
    signers = {signer.key_id: signer for signer in (*before, *new.signers)}
    seen = tuple(each.manifest.digest for each in files)  # also what is damaged
    return replace(new, signers=tuple(signers.values()), seen=seen, unread=known.unread if known else ())


def _is_new(known: ImageVerdict | None, files: Sequence[SignatureFiles], role: Role) -> bool:
    """Whether there are keys or signatures that the verdict does not know."""
    if known is None:
        return True
    keys, manifests = {key.key_id for key in role.keys}, {each.manifest.digest for each in files}
    return not (keys.issubset(known.tried) and manifests.issubset(known.seen))


def may_count_now(ledger: ImageReads, store: Store, lock: ImageLock, role: Role) -> bool:
    """Whether an image that did not count may do so by what has come meanwhile: a key, a signature, another threshold."""
    known = ledger.verdict(lock)
    return counted(known, role).counts or _is_new(known, store.signatures(lock), role)


def counted(verdict: ImageVerdict | None, role: Role) -> ImageSigners:
    """What a verdict means by the keys that count now."""
    if verdict is None:
        return ImageSigners(UNKNOWN, text="its signatures were not looked for")
    names = {key.key_id: key.name for key in role.keys}
    signers = tuple(Signer(signer.key_id, names[signer.key_id]) for signer in verdict.signers if signer.key_id in names)
    by = f"signed by {', '.join(signer.text for signer in signers)}"
    if len(signers) >= role.threshold:
        return ImageSigners(SIGNED, signers, by)
    reasons = (*verdict.remarks, *verdict.unread)
    why = f" ({'; '.join(reasons)})" if reasons else ""
    if signers:
        return ImageSigners(NOT_ENOUGH, signers, f"{by}, and {role.threshold} keys must sign{why}")
    if verdict.others or verdict.signers:
        return ImageSigners(OTHERS, text=f"signed with keys that this box does not trust{why}")
    if verdict.keyless:
        return ImageSigners(KEYLESS, text=f"keyless signatures only, by certificates, which do not count{why}")
    return ImageSigners(UNSIGNED, text=f"not signed{why}")


def signers_of(ledger: ImageReads, lock: ImageLock, trust: Trust) -> ImageSigners:
    """By the ledger alone: for who only shows it. Raises TrustedKeyInvalid."""
    return counted(ledger.verdict(lock), image_role(trust))


# --- staging --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SignatureTools:
    """Where signatures come from, and where what is known of them is kept. `bundled`: the request came in a bundle."""

    ledger: Ledger
    store: Store
    source: Blobs
    media: Media
    trust: Trust
    bundled: bool = False


def require(locks: Sequence[ImageLock], tools: SignatureTools) -> None:
    """Where images must be signed: look for signatures until enough keys have signed each of them.

    Raises ImageUnsigned, TrustedKeyInvalid, Locked, ApiMissing, OurBug, and as `Source.signatures`.
    """
    if not tools.trust.required("image"):
        return
    role = image_role(tools.trust)
    for lock in dict.fromkeys(every_variant(locks)):
        signed = _looked_for(lock, role, tools)
        if not signed.counts:
            raise unsigned(lock, signed)


def notice(locks: Sequence[ImageLock], tools: SignatureTools) -> None:
    """Where they need not be, and there are keys: one look, whose trouble keeps nothing. Without keys nothing could be judged."""
    if tools.trust.required("image") or not tools.trust.has_keys:
        return
    for lock in dict.fromkeys(every_variant(locks)):
        try:
            _looked_for(lock, image_role(tools.trust), tools)
        except TransferStopped:
            raise
        except ProvisionError:
            return


def unsigned(lock: ImageLock, signed: ImageSigners) -> ImageUnsigned:
    """Waited out: the image may be signed, or its key be trusted, at any time."""
    error = ImageUnsigned(f"{lock.reference}: {signed.text}")
    error.wait_reason = WaitReason(WaitKind.IMAGE_UNSIGNED, str(error))
    return error


def _looked_for(lock: ImageLock, role: Role, tools: SignatureTools) -> ImageSigners:
    """By what is here, else by what media and the registry have: of the index first, which is what is signed as a rule."""
    verdict = current(tools.ledger, tools.store, lock, role) or ImageVerdict(tried=tuple(key.key_id for key in role.keys))
    if not counted(verdict, role).counts:
        unread: dict[str, None] = {}
        for documents in _offered(lock, tools):
            verdict = judged_and_kept(tools.store, lock, documents, role, verdict)
            unread |= dict.fromkeys(documents.remarks)
            if counted(verdict, role).counts:
                break
        verdict = replace(verdict, unread=tuple(unread)[:MOST_UNREAD])
    tools.ledger.set_verdict(lock, verdict)
    return counted(verdict, role)


def _offered(lock: ImageLock, tools: SignatureTools) -> Iterator[SignatureDocuments]:
    digests = [document.digest for document in (lock.index, lock.manifest) if document is not None]
    for digest in digests:
        with suppress(ProvisionError):  # a medium that is not there; the registry may be
            yield tools.media.signatures(lock.reference, digest)
    for digest in digests:
        try:
            yield tools.source.signatures(lock.reference, digest)
        except TransferStopped:
            raise
        except ProvisionError:
            if tools.bundled:
                return  # what came on a medium is judged by that: there may be no network, ever
            raise
