"""Nothing that is revoked is imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kelvin_provision.bundles.acceptance import Accepted
from kelvin_provision.errors import BundleRevoked
from kelvin_provision.ledger.model.workloads import Signers
from kelvin_provision.spec.lock import ImageLock, every_variant
from kelvin_provision.staging.image_names import ImageNames
from kelvin_provision.staging.revocation import image_of, provenance_of, refuse
from kelvin_provision.trust.believed import Trust
from kelvin_provision.trust.revocation import Provenance, why
from kelvin_provision.usecases.bundles.bundled import Requests


def signers_of(accepted: Accepted, requests: Requests) -> Mapping[str, Signers]:
    """By workload the keys that vouch for it."""
    bundle = tuple(signer.key_id for signer in accepted.signers)
    signed = requests.signed
    return {spec.name: Signers(signed[spec.name].keys if spec.name in signed else (), bundle) for spec in requests.specs}


def refuse_revoked(
    trust: Trust,
    names: ImageNames,
    accepted: Accepted,
    requests: Requests,
    locks: Mapping[str, Sequence[ImageLock]],
    *,
    images: Sequence[ImageLock],
) -> None:
    """`locks` are those of each workload, `images` are all. Raises VersionRevoked, BundleRevoked."""
    signers = signers_of(accepted, requests)
    for spec in requests.specs:
        refuse(spec, why(trust, provenance_of(spec, signers[spec.name], accepted.digest, locks[spec.name], names)))
    reason = why(trust, Provenance(images=tuple(image_of(lock, names) for lock in every_variant(images))))
    if reason:
        raise BundleRevoked(f"the bundle {accepted.contents.name}: {reason}")
