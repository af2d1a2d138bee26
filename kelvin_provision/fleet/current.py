"""The publication that a tag stands for, and those before it, believed by keys. Nothing is parsed before its signature is verified."""

from __future__ import annotations

from collections.abc import Iterator

from kelvin_provision.errors import PublicationInvalid, SignerUnknown, UsageRefused
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.hashing import digest_of
from kelvin_provision.publications import artifact
from kelvin_provision.publications.model import PAYLOAD_TYPE, Publication, decode
from kelvin_provision.refs import Descriptor, Reference
from kelvin_provision.registry.protocol import Destination
from kelvin_provision.trust.public_keys import PublicKey
from kelvin_provision.trust.verifying import Verified, verify_with

_FARTHEST = 1000
"""Publications that are walked back."""


@dataclass(frozen=True)
class Found:
    """`digest` is that of the manifest."""

    digest: str
    publication: Publication
    verified: Verified


def current(destination: Destination, reference: Reference, keys: tuple[PublicKey, ...]) -> Found | None:
    """None where there is no such tag. Raises PublicationInvalid, SignerUnknown, SignatureInvalid, and what the registry raises."""
    data = destination.read(reference, reference.tag or "latest")
    if data is None:
        return None
    try:
        return _believed(destination, reference, data, keys)
    except SignerUnknown as error:
        hint = "sign with one of its keys, or set trust.keys of this desk to them; --replace --serial NUMBER starts again without it"
        raise SignerUnknown(f"what is published at {reference} is {error}", hint=hint) from error


def earlier(destination: Destination, reference: Reference, newest: Found, keys: tuple[PublicKey, ...]) -> Iterator[Found]:
    """The publications before it, the newest first, as far as the registry has kept them."""
    digest = newest.publication.previous
    for _ in range(_FARTHEST):
        data = destination.read(reference, digest) if digest else None
        if data is None:
            return
        before = _believed(destination, reference, data, keys)
        yield before
        digest = before.publication.previous


def chosen_earlier(destination: Destination, reference: Reference, newest: Found, keys: tuple[PublicKey, ...], serial: int | None) -> Found:
    """The one before, or the one with this serial. Raises UsageRefused if the registry has none."""
    for before in earlier(destination, reference, newest, keys):
        if serial is None or before.publication.serial == serial:
            return before
        if before.publication.serial < serial:
            break
    which = f"serial {serial}" if serial is not None else f"the one before serial {newest.publication.serial}"
    raise UsageRefused(f"{reference} cannot go back: the registry does not have {which}", hint="publish the files of that time again")


def content_of(destination: Destination, reference: Reference, digest: str, size: int) -> bytes:
    """The bytes of a published request, verified."""
    return destination.document(reference, Descriptor(artifact.REQUEST_TYPE, digest, size))


def _believed(destination: Destination, reference: Reference, data: bytes, keys: tuple[PublicKey, ...]) -> Found:
    parts = artifact.read(data, PAYLOAD_TYPE)
    document, signatures = (_bytes(destination, reference, part) for part in (parts.document, parts.signatures))
    verified = verify_with(PAYLOAD_TYPE, document, signatures, keys)
    return Found(digest_of(data), decode(document), verified)


def _bytes(destination: Destination, reference: Reference, part: artifact.Part) -> bytes:
    if part.data is not None:
        return part.data
    data = destination.document(reference, part.descriptor)
    if len(data) != part.descriptor.size:
        raise PublicationInvalid(f"{reference}: a document of another size than its manifest says")
    return data
