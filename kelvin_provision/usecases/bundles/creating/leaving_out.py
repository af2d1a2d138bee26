"""Layers that the boxes of a bundle have already, and that it leaves out: by their inventories, or by a bundle that they were given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kelvin_provision.bundles.acceptance import accept, read_named
from kelvin_provision.bundles.inventories.inventory import Inventory
from kelvin_provision.bundles.inventories.reading import read
from kelvin_provision.bundles.model import IN_BOX, Contents
from kelvin_provision.bundles.opening import find
from kelvin_provision.errors import UsageRefused
from kelvin_provision.hints import command
from kelvin_provision.refs import Platform
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.trust.believed import Trust


@dataclass(frozen=True)
class Known:
    """`inventories` are one of each box; `given` are layers that all boxes were given, by digest."""

    inventories: tuple[Inventory, ...] = ()
    given: frozenset[str] = frozenset()
    boxes: tuple[str, ...] = ()
    platforms: tuple[Platform, ...] = ()

    def left_out(self, locks: Sequence[ImageLock]) -> frozenset[str]:
        """What all boxes have that these images are for: a layer for arm64 is not missing on a box that is amd64."""
        layers = [{layer.digest for layer in inventory.layers} for inventory in self.inventories]
        needed: dict[str, set[int]] = {}
        for lock in locks:
            boxes = {number for number, box in enumerate(self.inventories) if box.platform.accepts(lock.platform)}
            for layer in lock.layers:
                needed.setdefault(layer.digest, set()).update(boxes)
        there = {digest for digest, boxes in needed.items() if boxes and all(digest in layers[number] for number in boxes)}
        return frozenset(there | (self.given & needed.keys()))


def known_of(inventories: Iterable[Path], since: Path | None, trust: Trust) -> Known:
    """Raises InventoryInvalid, FileUnreadable, UsageRefused for two of one box, and what finding and accepting a bundle raises."""
    read_ones = tuple(map(read, inventories))
    names = tuple(inventory.box for inventory in read_ones)
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageRefused(f"two inventories are of the box {twice}", hint="give the newer one of them, or each box a cluster.name")
    platforms = tuple(inventory.platform for inventory in read_ones)
    if since is None:
        return Known(read_ones, boxes=names, platforms=tuple(dict.fromkeys(platforms)))
    contents = accept(read_named(find(since), "", must_be_signed=trust.required("bundle")), trust).contents
    layers = frozenset(layer.digest for image in contents.images for layer in image.layers)
    return Known(read_ones, layers, names or contents.boxes, tuple(dict.fromkeys(platforms)) or contents.platforms)


def known_before(contents: Contents) -> Known:
    """For the repair of a bundle: what it leaves out itself."""
    return Known(given=frozenset(layer.digest for image in contents.images for layer in image.layers if layer.source == IN_BOX))


def refuse_contradiction(known: Known, boxes: Sequence[str], platforms: Sequence[Platform]) -> None:
    """Raises UsageRefused where options and inventories say different things."""
    if known.inventories and boxes:
        hint = command("images list", "--inventory", "FILE", instruction="take one at that box, too")
        raise UsageRefused(f"--for {boxes[0]} names a box without its inventory, beside inventories of other ones", hint=hint)
    for inventory in known.inventories if platforms else ():
        if not any(inventory.platform.accepts(platform) for platform in platforms):
            shown = ", ".join(map(str, platforms))
            raise UsageRefused(f"the box {inventory.box} is {inventory.platform}, and takes none of {shown}", hint="leave out --platform")
