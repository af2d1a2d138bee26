"""The reports of a repository: read side by side, signatures checked in batches, and only then parsed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from kelvin_provision.context import Context, separate, silent
from kelvin_provision.errors import (
    DigestMismatch,
    ImageNotFound,
    ImageUnsupported,
    Interrupted,
    ManifestInvalid,
    PublicationInvalid,
    RegistryRefused,
    ReportInvalid,
    SignatureInvalid,
    UsageRefused,
)
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.publications import artifact, report
from kelvin_provision.refs import Reference
from kelvin_provision.registry.protocol import Destination
from kelvin_provision.trust.computing import fitting_each
from kelvin_provision.trust.dsse import Entry, entries_of, pae
from kelvin_provision.trust.public_keys import PublicKey

MOST = 50_000
"""Boxes of one repository."""
WORKERS = 8
"""Connections at once: a registry that is far away answers each after its time."""
_OF_ONE = (ImageNotFound, ImageUnsupported, ManifestInvalid, DigestMismatch, RegistryRefused)
"""What a registry says of a document that is not as it should be: it must not hide the reports of the other boxes."""
_BATCH, _BATCH_BYTES = 1000, 4 << 20
"""Reports whose signatures are checked by one process, and their bytes."""


@dataclass(frozen=True)
class Signed:
    """A report as it came, not parsed. `reason`: why it cannot be read, else empty."""

    tag: str
    document: bytes = b""
    entries: tuple[Entry, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Received:
    """`report` is None where it is not readable, which `reason` says. `key_id` is of who signed, or says to have.

    `signer` is the known key whose signature fits, None for an unknown key.
    """

    tag: str
    report: report.Report | None = None
    key_id: str = ""
    signer: PublicKey | None = None
    reason: str = ""


def received(ctx: Context, repository: Reference, keys: Mapping[str, PublicKey]) -> Iterator[Received]:
    """Of every box, in the order of the registry. Raises UsageRefused for more than are read, and what the registry raises."""
    tags = list(islice(ctx.destination.tags(repository), MOST + 1))
    if len(tags) > MOST:
        raise UsageRefused(f"{repository.name} has more than {MOST} reports", hint="have boxes report to several repositories")
    signed = _read_all(ctx, repository, tags)
    while batch := _batch(signed):
        yield from checked(batch, keys)


def _batch(signed: Iterator[Signed]) -> list[Signed]:
    batch: list[Signed] = []
    size = 0
    for each in signed:
        batch.append(each)
        size += len(each.document)
        if len(batch) >= _BATCH or size >= _BATCH_BYTES:
            break
    return batch


def checked(batch: Sequence[Signed], keys: Mapping[str, PublicKey]) -> Iterator[Received]:
    """Signatures of known keys are checked, all in one process; one that does not fit is not read."""
    rows = [(each, entry, keys[entry.key_id]) for each in batch for entry in each.entries[:1] if entry.key_id in keys]
    fits = fitting_each([(key, entry.signature, pae(report.PAYLOAD_TYPE, each.document)) for each, entry, key in rows]) if rows else ()
    results = {id(each): (key, fit) for (each, _, key), fit in zip(rows, fits, strict=True)}
    for each in batch:
        yield _received(each, *results.get(id(each), (None, True)))


def _received(each: Signed, key: PublicKey | None, fits: bool) -> Received:  # noqa: FBT001  (what a check says)
    key_id = each.entries[0].key_id if each.entries else ""
    if each.reason or not fits:
        return Received(each.tag, key_id=key_id, reason=each.reason or f"the signature of {key.name if key else ''} does not belong to it")
    try:
        return Received(each.tag, report.decode(each.document), key_id, key)
    except ReportInvalid as error:
        return Received(each.tag, key_id=key_id, reason=str(error))


# --- reading --------------------------------------------------------------------------------------------


def _read_all(ctx: Context, repository: Reference, tags: Sequence[str]) -> Iterator[Signed]:
    """By several threads, each with connections of its own; in order, and never many more than are taken."""
    shares = [tags[start : start + _SHARE] for start in range(0, len(tags), _SHARE)]
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="report") as pool:
        ahead = [pool.submit(_read_share, ctx, repository, share) for share in shares[: 2 * WORKERS]]
        rest = iter(shares[2 * WORKERS :])
        try:
            while ahead:
                signed, left = ahead.pop(0).result()
                yield from signed
                if left:
                    ahead.insert(0, pool.submit(_read_share, ctx, repository, left))
                    continue
                ahead += [pool.submit(_read_share, ctx, repository, share) for share in islice(rest, 1)]
        finally:
            pool.shutdown(cancel_futures=True)


_SHARE, _SHARE_BYTES = 100, 2 << 20
"""Tags that one thread reads over one connection, until it has so many bytes: two shares of each thread are in memory."""


def _read_share(ctx: Context, repository: Reference, tags: Sequence[str]) -> tuple[list[Signed], Sequence[str]]:
    """What was read, and the tags that are left."""
    signed: list[Signed] = []
    size = 0
    with separate(ctx, progress=silent, stop=ctx.stop) as own:
        while len(signed) < len(tags) and size < _SHARE_BYTES:
            signed.append(_read(own, repository, tags[len(signed)]))
            size += len(signed[-1].document)
    return signed, tags[len(signed) :]


def _read(ctx: Context, repository: Reference, tag: str) -> Signed:
    if ctx.stop():
        raise Interrupted("stopped while reports were read")
    try:
        data = ctx.destination.read(repository, tag)
        if data is None:
            return Signed(tag, reason="it is gone")
        parts = artifact.read(data, report.PAYLOAD_TYPE)
        document, signatures = (_bytes(ctx.destination, repository, part) for part in (parts.document, parts.signatures))
        return Signed(tag, document, entries_of(signatures))
    except (PublicationInvalid, SignatureInvalid, *_OF_ONE) as error:
        return Signed(tag, reason=str(error))


def _bytes(destination: Destination, repository: Reference, part: artifact.Part) -> bytes:
    return destination.document(repository, part.descriptor) if part.data is None else part.data
