"""The images of this box: where they are, and which workloads need them: `images list`."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kelvin_provision.errors import StateDamaged
from kelvin_provision.images.inventory import Image, Inventory, take_inventory

if TYPE_CHECKING:
    from kelvin_provision.context import Context


@dataclass(frozen=True)
class ImagesResult:
    """`path` is the directory of the store; `prunable` are bytes that `images prune` would free there."""

    inventory: Inventory
    path: Path
    prunable: int

    @property
    def warnings(self) -> tuple[str, ...]:
        inventory = self.inventory
        if inventory.runtime_error:
            return (f"the images in the runtime are unknown: {inventory.runtime_error}",)
        if inventory.info and not inventory.info.pins and inventory.images:
            return (f"{inventory.info.name} {inventory.info.version} does not support pinned images: the agent restores removed images",)
        return ()

    def to_json(self) -> dict[str, Any]:
        return {
            "images": [_image_to_json(image) for image in self.inventory.images],
            "orphans": list(self.inventory.orphans),
            "store": {"path": str(self.path), "prunable": self.prunable},
            "warnings": list(self.warnings),
        }


def images(ctx: Context) -> ImagesResult:
    """Reads ledger, store and runtime. A runtime that does not answer becomes a warning."""
    inventory = take_inventory(ctx.ledger, ctx.store, lambda: ctx.runtime)
    return ImagesResult(inventory, ctx.settings.state_dir, prunable(ctx))


def prunable(ctx: Context) -> int:
    """Bytes of images in the store that no version that is kept needs."""
    with suppress(StateDamaged):  # nothing is pruned then
        return ctx.store.reclaimable(ctx.ledger.kept_locks(keep=ctx.settings.keep_revisions), quarantined=True)
    return 0


def _image_to_json(image: Image) -> dict[str, Any]:
    return {
        "reference": str(image.lock.reference),
        "name": image.lock.name,
        "digest": image.lock.root.digest,
        "config": image.lock.config.digest,
        "platform": str(image.lock.platform),
        "variants": [
            {"platform": str(each.platform), "manifest": each.manifest.digest, "config": each.config.digest, "size": each.size}
            for each in image.lock.variants
        ],
        "size": image.size,
        "stored": image.stored,
        "in_store": image.stored == image.size,
        "rebuilt": [{"layer": layer, "plain": plain.digest, "size": plain.size} for layer, plain in image.rebuilt.items()],
        "local": image.local,
        "in_runtime": image.loaded,
        "pinned": image.pinned,
        "used_by": [asdict(use) for use in image.uses],
    }
