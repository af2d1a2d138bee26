"""Which layers of a bundle come as deltas to this box: those that are not here, and that can be rebuilt out of what is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from kelvin_provision.bundles.model import Contents
from kelvin_provision.context import Context
from kelvin_provision.media.source import deltas_of
from kelvin_provision.refs import Descriptor
from kelvin_provision.runtimes.protocol import Runtime
from kelvin_provision.spec.deltas import LayerPlan
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.staging.deltas.bases import Bases
from kelvin_provision.staging.deltas.choosing import Missing, choose

Plans = Mapping[str, LayerPlan]
"""By the digest of the layer as it was published."""


def plans_of(ctx: Context, contents: Contents, images: Sequence[ImageLock], runtime: Runtime | None) -> Plans:
    """What staging will choose, as things are now."""
    if not contents.deltas:
        return {}
    bases, plans = Bases(ctx.store, runtime, lambda: ctx.ledger.known_images(sound_only=True)), dict[str, LayerPlan]()
    for lock in images:
        offers = tuple(deltas_of(contents, replace(lock.reference, digest=lock.manifest.digest)))
        for layer, diff_id in zip(lock.layers, lock.diff_ids, strict=True):
            plan = choose(Missing(layer, diff_id, layer.size), offers, bases.has, at_any_size=True).plan
            if plan is not None and not ctx.store.has(layer):
                plans[layer.digest] = plan
    return plans


def coming(lock: ImageLock, plans: Plans) -> Iterator[Descriptor]:
    """The blobs that are copied for an image and its variants: deltas in place of layers."""
    for blob in lock.blobs_of_all():
        yield plans[blob.digest].delta if blob.digest in plans else blob
