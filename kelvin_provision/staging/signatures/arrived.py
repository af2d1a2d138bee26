"""What becomes of signatures that arrive: they are judged at once, and kept as far as there is room.

What the trusted keys have signed, and what is here already, comes before anything else: a registry that lists many others takes the room
of none of these. Those of bundles have room of their own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from kelvin_provision.files.hashing import has_digest
from kelvin_provision.refs import Descriptor
from kelvin_provision.registry.protocol import SignatureDocuments
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.signatures import ImageVerdict, SignatureFiles
from kelvin_provision.store import Store
from kelvin_provision.trust.cosign.manifests import MOST, MOST_BYTES
from kelvin_provision.trust.documents.model import Role


def judged_and_kept(store: Store, lock: ImageLock, documents: SignatureDocuments, role: Role, known: ImageVerdict) -> ImageVerdict:
    """`known` with what these say. Also what there is no room for is judged. Raises Locked, ApiMissing, OurBug."""
    files = list(_new(store, lock, documents))
    if not files:
        return known
    from kelvin_provision.trust.cosign.judging import REMARKS, Signed, judge

    data = documents.documents
    signed = [
        Signed(each.manifest.digest, data[each.manifest.digest], {blob.digest: data[blob.digest] for blob in each.payloads})
        for each in files
    ]
    judgement = judge(signed, documents_of(store, lock), role.keys)
    known = known if store.signatures(lock) else replace(known, keyless=0, others=0, remarks=())  # of what is not here any more
    keep(store, lock, documents, first=judgement.counting)
    new = judgement.verdict
    return replace(
        known,
        signers=tuple({signer.key_id: signer for signer in (*known.signers, *new.signers)}.values()),
        tried=new.tried,
        seen=tuple(each.manifest.digest for each in store.signatures(lock)),
        keyless=max(known.keyless, new.keyless),
        others=max(known.others, new.others),
        remarks=tuple(dict.fromkeys((*new.remarks, *known.remarks)))[:REMARKS],
    )


def _new(store: Store, lock: ImageLock, documents: SignatureDocuments) -> Iterator[SignatureFiles]:
    """Those of which not everything is here, and that are what they say."""
    here = {blob.digest for each in store.signatures(lock) for blob in each.blobs() if store.has(blob)}
    for each in documents.files:
        blobs = each.blobs()
        if not here.issuperset(blob.digest for blob in blobs) and all(
            len(documents.documents.get(blob.digest, b"")) == blob.size for blob in blobs
        ):
            yield each


def documents_of(store: Store, lock: ImageLock) -> Mapping[str, bytes]:
    """What may have been signed: the index and the manifest. Empty for one that is not here as it was: it is known by its digest only."""
    return {document.digest: _content(store, document) for document in (lock.index, lock.manifest) if document is not None}


def _content(store: Store, document: Descriptor) -> bytes:
    data = store.path(document).read_bytes() if store.has(document) else b""
    return data if has_digest(data, document.digest) else b""


def keep(store: Store, lock: ImageLock, documents: SignatureDocuments, *, first: Collection[str] = ()) -> None:
    """Beside those that are kept, which come before all others than those of the manifests in `first`.

    Half of the room is for those from registries, half for those from bundles.
    """
    stored = {each.manifest.digest: each for each in store.signatures(lock)}
    arrived = {each.manifest.digest: each for each in documents.files}
    order = dict.fromkeys((*(digest for digest in arrived if digest in first), *stored, *arrived))
    chosen: list[SignatureFiles] = []
    counts, sizes = {True: 0, False: 0}, {True: 0, False: 0}
    for digest in order:
        signature = _joined(stored.get(digest), arrived.get(digest))
        size = sum(blob.size for blob in signature.blobs())
        if counts[signature.medium] < MOST and sizes[signature.medium] + size <= MOST_BYTES // 2:
            counts[signature.medium] += 1
            sizes[signature.medium] += size
            chosen.append(signature)
    store.keep_signatures(lock, tuple(chosen), documents.documents)


def _joined(stored: SignatureFiles | None, arrived: SignatureFiles | None) -> SignatureFiles:
    """With the payloads of both: a registry may give a part of them only."""
    signature, *others = [each for each in (arrived, stored) if each is not None]
    for other in others:
        payloads = {blob.digest: blob for blob in (*signature.payloads, *other.payloads)}
        signature = SignatureFiles(signature.manifest, tuple(payloads.values()), signature.medium or other.medium)
    return signature
