"""By whom each image of an apply is signed. Nothing is fetched; what is here is verified by the keys that are trusted now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kelvin_provision.applying.facts import unsigned_images
from kelvin_provision.check_result import CheckFinding, error, ok, skipped
from kelvin_provision.context import Context
from kelvin_provision.errors import ImageUnsigned
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.ledger.model.workloads import Revision
from kelvin_provision.spec.lock import every_variant
from kelvin_provision.staging.signatures.judging import ImageSigners, counted, current
from kelvin_provision.trust.roles import image_role


@dataclass(frozen=True)
class SignedImage:
    workload: str
    image: str
    signed: ImageSigners


@dataclass(frozen=True)
class ImageSignatures:
    """`refused`: workload, image and why, where images must be signed. Without keys, nothing can be verified."""

    required: bool
    has_keys: bool = True
    images: tuple[SignedImage, ...] = ()
    refused: tuple[tuple[str, str, str], ...] = ()


def gathered(ctx: Context, revisions: Sequence[Revision]) -> ImageSignatures:
    """Raises TrustedKeyInvalid, Locked, ApiMissing, OurBug."""
    trust = ctx.trust
    if not trust.has_keys:
        return ImageSignatures(required=False, has_keys=False)
    role = image_role(trust)
    refused = unsigned_images(ctx, [(revision.workload, revision) for revision in revisions])
    return ImageSignatures(
        trust.required("image"),
        images=tuple(
            dict.fromkeys(
                SignedImage(revision.workload, str(lock.reference), counted(current(ctx.ledger, ctx.store, lock, role), role))
                for revision in revisions
                for lock in every_variant(revision.locks or ())
            )
        ),
        refused=tuple((image.workload, image.image, image.why) for image in refused),
    )


def signed(state: ImageSignatures) -> Iterator[CheckFinding]:
    """`signatures`: who signed each image."""
    if not state.has_keys:
        yield skipped("no trusted keys: no signature can be verified")
        return
    for workload, reference, why in state.refused:
        yield error(f"{reference}: {why}", ImageUnsigned.hint_default, workload)
    for image in state.images:
        if image.signed.counts:
            yield ok(f"{image.image}: {image.signed.text}")
        elif not state.required:
            yield ok(f"{image.image}: {image.signed.text}; images need not be signed on this box")
    if not state.images and not state.refused:
        yield skipped("no staged image")
