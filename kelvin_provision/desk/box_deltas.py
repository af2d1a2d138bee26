"""Deltas for the boxes of a bundle: from every version that they have by their inventories, as far as this desk can get it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import field, replace
from typing import BinaryIO

from kelvin_provision.bundles.inventories.inventory import Inventory
from kelvin_provision.bundles.model import BundledDelta, Extent
from kelvin_provision.context import Context
from kelvin_provision.deltas.artifact import DeltaLayer
from kelvin_provision.deltas.limits import WORTH
from kelvin_provision.desk.gathering import Images, gathered
from kelvin_provision.desk.layers import Workshop, changed
from kelvin_provision.errors import Interrupted, ProvisionError, ReferenceInvalid
from kelvin_provision.events import Note
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.durable import private_folder
from kelvin_provision.quantity import format_bytes
from kelvin_provision.refs import Descriptor, Reference
from kelvin_provision.spec.deltas import SMALL
from kelvin_provision.spec.lock import ImageLock


@dataclass(frozen=True)
class BoxDeltas:
    """What comes in place of layers: `sizes` of those layers without compression, by digest, and the files of the deltas."""

    deltas: tuple[BundledDelta, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)
    files: Mapping[str, tuple[int, BinaryIO]] = field(default_factory=dict)
    """Size and file of each delta, by its digest."""

    def open(self, extent: Extent) -> BinaryIO:
        """The delta from its first byte, at a position of its own."""
        return open(f"/proc/self/fd/{self.files[extent.digest][1].fileno()}", "rb", buffering=0)  # noqa: PTH123  (a file without a name)


NONE = BoxDeltas()


@contextmanager
def deltas_for(ctx: Context, source: str, images: Images, inventories: Sequence[Inventory]) -> Iterator[BoxDeltas]:
    """For the layers of these images that a bundle would have. The files are there for the block.

    Brings the images to this desk first. A version that the source does not have gives no deltas, and no error. Raises what fetching
    raises, NoSpace, CannotWrite, Interrupted.
    """
    making = _Making(ctx, source, images, inventories)
    with ExitStack() as stack:
        for lock in images.locks:
            making.make(lock, stack)
        yield making.chosen()


class _Making:
    def __init__(self, ctx: Context, source: str, images: Images, inventories: Sequence[Inventory]) -> None:
        self._ctx = ctx
        self._source = source
        self._images = images
        self._boxes = inventories
        self._offers: dict[str, list[DeltaLayer]] = {}
        self._files: dict[str, tuple[int, BinaryIO]] = {}
        self._layers: dict[str, tuple[Descriptor, list[frozenset[str]]]] = {}
        self._fetched = False

    def make(self, lock: ImageLock, stack: ExitStack) -> None:
        lacking = [box for box in self._boxes if box.platform.accepts(lock.platform)]
        wanting = {
            layer.digest: (layer, [_diff_ids(box) for box in lacking if layer.digest not in {known.digest for known in box.layers}])
            for layer in lock.layers
            if layer.digest not in self._images.without and layer.size > SMALL
        }
        self._layers |= {digest: each for digest, each in wanting.items() if each[1]}
        for base in dict.fromkeys(_bases(lacking, lock)) if self._layers.keys() & wanting.keys() else ():
            self._from(base, lock, stack)

    def _from(self, base: Reference, lock: ImageLock, stack: ExitStack) -> None:
        """Deltas from one version. A version that this desk cannot get is reported, and gives none."""
        try:
            older = stack.enter_context(gathered(self._ctx, self._source, [(base, lock.platform)], lambda locks: _unneeded(locks[0], lock)))
            self._fetch()
            older.fetch()
        except ProvisionError as error:
            if error.temporary or error.of_box:
                raise
            self._ctx.progress(Note(f"no deltas from {base}: {error}"))
            return
        here = {layer.digest for layer in older.locks[0].layers}

        def opened(blob: Descriptor, diff_id: str) -> BinaryIO:  # noqa: ARG001  (the signature of `layers.Open`)
            return (older if blob.digest in here else self._images).open(Extent(blob.digest, 0, blob.size))

        workshop = stack.enter_context(Workshop(opened, private_folder(self._ctx.store.root), self._refuse_when_stopped))
        for layer in workshop.deltas(older.locks[0], lock):
            if layer.delta is not None and layer.file is not None and layer.blob.digest in self._layers:
                self._offers.setdefault(layer.blob.digest, []).append(layer.delta)
                self._files[layer.delta.blob.digest] = layer.delta.blob.size, layer.file
                self._ctx.progress(Note(f"delta from {base}: {format_bytes(layer.delta.blob.size)} for {format_bytes(layer.blob.size)}"))

    def _fetch(self) -> None:
        if not self._fetched:
            self._images.fetch()
            self._fetched = True

    def _refuse_when_stopped(self) -> None:
        if self._ctx.stop():
            raise Interrupted("interrupted; the same command makes the deltas from the start")

    def chosen(self) -> BoxDeltas:
        """The deltas of layers where all together are smaller than the layer, and each box has the bases of one."""
        picked = {
            digest: deltas
            for digest, (layer, boxes) in self._layers.items()
            if (deltas := choose(layer.size, boxes, self._offers.get(digest, ())))
        }
        bundled = [BundledDelta(each.blob.digest, digest, each.needs, each.memory) for digest, deltas in picked.items() for each in deltas]
        sizes = {digest: deltas[0].size for digest, deltas in picked.items()}
        return BoxDeltas(tuple(bundled), sizes, {each.digest: self._files[each.digest] for each in bundled})


def choose(size: int, boxes: Sequence[frozenset[str]], offers: Sequence[DeltaLayer]) -> tuple[DeltaLayer, ...]:
    """The smallest delta that each box can use, by the diff ids that it has; none if the layer of this size is better. Pure."""
    picked: dict[str, DeltaLayer] = {}
    for diff_ids in boxes:
        usable = [delta for delta in offers if diff_ids.issuperset(delta.needs)]
        if not usable:
            return ()
        best = min(usable, key=lambda delta: (delta.blob.size, delta.blob.digest))
        picked[best.blob.digest] = best
    worth = sum(delta.blob.size for delta in picked.values()) < WORTH * size
    return tuple(picked.values()) if worth else ()


def _diff_ids(box: Inventory) -> frozenset[str]:
    return frozenset(layer.diff_id for layer in box.layers)


def _bases(boxes: Sequence[Inventory], lock: ImageLock) -> Iterator[Reference]:
    """Other versions of the same image that boxes have, by the digests of their manifests."""
    for box in boxes:
        for image in box.images:
            try:
                reference = Reference.parse(image.reference)
            except ReferenceInvalid:
                continue
            if reference.name == lock.reference.name and image.platform == lock.platform and image.manifest != lock.manifest.digest:
                yield replace(reference, tag=None, digest=image.manifest)


def _unneeded(old: ImageLock, new: ImageLock) -> frozenset[str]:
    needed = {blob.digest for blob, _ in changed(old, new)[1]}
    return frozenset(layer.digest for layer in old.layers if layer.digest not in needed)
