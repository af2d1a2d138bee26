"""What of a revision may be revoked: who vouches for it, and which images it has."""

from __future__ import annotations

from collections.abc import Sequence

from kelvin_provision.errors import VersionRevoked
from kelvin_provision.ledger.model.workloads import Revision, Signers
from kelvin_provision.refs import Reference
from kelvin_provision.spec.images import images_of
from kelvin_provision.spec.lock import ImageLock, every_variant
from kelvin_provision.spec.workload import Spec
from kelvin_provision.staging.image_names import AS_SAID, ImageNames
from kelvin_provision.trust.believed import Trust
from kelvin_provision.trust.revocation import Provenance, why
from kelvin_provision.wait_reason import WaitKind, WaitReason


def why_revoked(trust: Trust, revision: Revision, locks: Sequence[ImageLock] = (), names: ImageNames = AS_SAID) -> str:
    """Empty if it is not. `locks` where the revision does not have them yet."""
    if trust.document is None:
        return ""
    return why(trust, provenance_of(revision.spec, revision.signers, revision.bundle or "", revision.locks or locks, names))


def provenance_of(
    spec: Spec, signers: Signers, bundle: str = "", locks: Sequence[ImageLock] = (), names: ImageNames = AS_SAID
) -> Provenance:
    """Of images that are not resolved yet, the digest that their reference says."""
    named = tuple((text, names.of(digest)) for text in images_of(spec) if (digest := Reference.parse(text).digest))
    return Provenance(signers.request, signers.bundle, bundle, (*named, *(image_of(lock, names) for lock in every_variant(locks))))


def image_of(lock: ImageLock, names: ImageNames = AS_SAID) -> tuple[str, tuple[str, ...]]:
    """Its name and its digests, any of which may be revoked."""
    return str(lock.reference), names.of(lock.reference.digest, lock.index.digest if lock.index else None, lock.manifest.digest)


def refuse(spec: Spec, reason: str) -> None:
    """Raises VersionRevoked if there is a reason."""
    if reason:
        error = VersionRevoked(f"{spec.name}: version {spec.app_version} is revoked: {reason}")
        error.wait_reason = WaitReason(WaitKind.REVOKED, reason)
        raise error
