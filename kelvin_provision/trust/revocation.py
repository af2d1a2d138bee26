"""Whether what vouches for a version is revoked. Pure. Revoked wins over everything that was accepted before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.trust.believed import Trust
from kelvin_provision.trust.documents.model import Role


@dataclass(frozen=True)
class Provenance:
    """What is known of a version: ids of the keys that signed its request and its bundle, or the first digits of them; the bundle's digest.

    `images`: the name of each, and its digests: index, manifest, or what a reference says.
    """

    request_signers: tuple[str, ...] = ()
    bundle_signers: tuple[str, ...] = ()
    bundle: str = ""
    images: tuple[tuple[str, tuple[str, ...]], ...] = ()


def why(trust: Trust, provenance: Provenance) -> str:
    """The reason that counts, for people; empty if it is not revoked."""
    return next(reasons(trust, provenance), "") if trust.document else ""


def reasons(trust: Trust, provenance: Provenance) -> Iterator[str]:
    document, revoked = trust.document, trust.revoked
    if document is None:
        return
    if provenance.bundle in revoked.bundles:
        yield f"it came in bundle {provenance.bundle}, which is revoked"
    for name, digests in provenance.images:
        for digest in set(digests) & set(revoked.images):
            yield f"image {name} is revoked ({digest})"
    yield from chain(
        _of_signers("its request", provenance.request_signers, document.requests, revoked.keys),
        _of_signers("its bundle", provenance.bundle_signers, document.bundles, revoked.keys),
    )


def _of_signers(what: str, signers: Sequence[str], role: Role | None, revoked: Sequence[str]) -> Iterator[str]:
    """As when it was verified: keys that are revoked do not count, and enough others must be left."""
    ended = [signer for signer in signers if any(key.startswith(signer) for key in revoked)]
    if ended and len(signers) - len(ended) < (role.threshold if role else 1):
        yield f"{what} is signed with key {ended[0][:12]}, which is revoked"
