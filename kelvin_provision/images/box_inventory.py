"""The inventory of this box for a desk: which layers need not be sent to it. See `bundles.inventories`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from kelvin_provision import __version__
from kelvin_provision.bundles.inventories.inventory import RUNTIME, STORE, Inventory, KnownImage, KnownLayer, KnownRevision
from kelvin_provision.context import Context
from kelvin_provision.errors import ProvisionError
from kelvin_provision.images.inventory import Image, take_inventory
from kelvin_provision.refs import Descriptor, Platform
from kelvin_provision.runtimes.protocol import ImageStorage
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.staging import space
from kelvin_provision.store.space import Filesystem


@dataclass(frozen=True)
class BoxInventory:
    """`runtime_error` says why the runtime could not be asked: then nothing is known of what it has."""

    inventory: Inventory
    runtime_error: str = ""

    @property
    def warnings(self) -> tuple[str, ...]:
        if not self.runtime_error:
            return ()
        return (f"the inventory has nothing of the container runtime, which does not answer: {self.runtime_error}",)


def box_inventory(ctx: Context) -> BoxInventory:
    """Reads ledger, store and runtime; no secret is in it. Raises what reading the ledger raises."""
    listed = take_inventory(ctx.ledger, ctx.store, lambda: ctx.runtime)
    images = listed.images
    layers, keeping = _in_store(ctx, [image.lock for image in images]), ImageStorage()
    if not listed.runtime_error:
        with suppress(ProvisionError):
            keeping = ctx.runtime.storage()
            layers = {**layers, **_in_runtime(ctx, [image.lock for image in images if image.loaded], layers)}
    free = space.survey(ctx.settings.state_dir, keeping, ctx.settings.download.keep_free)
    inventory = Inventory(
        box=ctx.box_name,
        platform=listed.info.platform if listed.info else Platform.of_this_host(),
        made_by=f"kelvin-provision {__version__}",
        taken=ctx.ledger.clock(),
        layers=tuple(layers[digest] for digest in sorted(layers)),
        images=tuple(map(_known, images)),
        revisions=tuple(_revisions(images)),
        serials=tuple(ctx.ledger.serials().items()),
        trust=newest.number if (newest := ctx.ledger.newest_trust()) else None,
        free_store=_free(free.store),
        free_runtime=_free(free.unpacked),
    )
    return BoxInventory(inventory, listed.runtime_error)


def _layers(locks: Sequence[ImageLock]) -> Mapping[str, tuple[Descriptor, str]]:
    return {layer.digest: (layer, diff_id) for lock in locks for layer, diff_id in zip(lock.layers, lock.diff_ids, strict=False)}


def _in_store(ctx: Context, locks: Sequence[ImageLock]) -> dict[str, KnownLayer]:
    return {
        digest: KnownLayer(digest, layer.size, diff_id, STORE)
        for digest, (layer, diff_id) in _layers(locks).items()
        if ctx.store.has(layer)
    }


def _in_runtime(ctx: Context, locks: Sequence[ImageLock], known: Mapping[str, KnownLayer]) -> dict[str, KnownLayer]:
    """Those that it gives back as they were packed: staging takes them from there."""
    listed = {}
    for digest, (layer, diff_id) in _layers(locks).items():
        if digest not in known:
            with ctx.runtime.open_blob(layer) as file:
                if file is not None:
                    listed[digest] = KnownLayer(digest, layer.size, diff_id, RUNTIME)
    return listed


def _known(image: Image) -> KnownImage:
    lock = image.lock
    return KnownImage(
        str(lock.reference), lock.platform, lock.manifest.digest, lock.config.digest, image.stored == image.size, image.loaded
    )


def _revisions(images: Sequence[Image]) -> Iterator[KnownRevision]:
    """Those that need an image, each once."""
    uses = {(use.workload, use.revision): use for image in images for use in image.uses}
    yield from (KnownRevision(use.workload, use.revision, use.version, use.slot) for _, use in sorted(uses.items()))


def _free(filesystem: Filesystem | None) -> int | None:
    return max(filesystem.free - filesystem.headroom, 0) if filesystem else None
