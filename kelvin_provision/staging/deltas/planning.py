"""How the layers of a version are downloaded: whole, or as deltas. Decided before space is reserved, and recorded in the store."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from kelvin_provision.deltas.artifact import DeltaLayer
from kelvin_provision.errors import DeltaMissing, PermissionRefused, ProvisionError, RuntimeUnreachable, TransferStopped
from kelvin_provision.events import Progress
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.refs import Descriptor
from kelvin_provision.registry.protocol import Blobs, Media
from kelvin_provision.runtimes.protocol import Runtime
from kelvin_provision.spec.deltas import SMALL, DeltaMode, LayerPlan, LayerRecord
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.rebuilt import diff_ids
from kelvin_provision.staging.deltas.bases import Bases
from kelvin_provision.staging.deltas.choosing import Choice, Missing, choose, still_good
from kelvin_provision.store import Store
from kelvin_provision.wait_reason import WaitKind, WaitReason

MOST_IN_VAIN = 4
"""Deltas of one layer that may fail before no other is tried."""


@dataclass(frozen=True)
class DeltaTools:
    """Where deltas are looked for, and how that is reported. `stop` turns true when the work is to end."""

    ledger: Ledger
    store: Store
    source: Blobs
    media: Media
    runtime: Runtime
    progress: Progress
    stop: Callable[[], bool]
    mode: DeltaMode
    from_media: bool = True
    """Also those of bundles, which are the only form in which a stick has these layers."""


def plan(locks: Sequence[ImageLock], bases: Bases, tried: Mapping[str, Collection[str]], tools: DeltaTools) -> None:
    """Plan the layers that are in neither the store, the runtime nor a bundle. An earlier plan is kept while it can be carried out.

    `tried` are deltas that could not be used a moment ago, by layer. Raises DeltaMissing where nothing but deltas may be downloaded, and as
    `Source.deltas`: without an answer, the whole layer would come.
    """
    for lock in locks:
        _Planning(lock, bases, tried, tools).write()


def downloads(locks: Sequence[ImageLock], plans: Mapping[str, LayerPlan], store: Store) -> tuple[ImageLock, ...]:
    """The images with deltas in place of the layers that are not here: what is to be downloaded for them, and nothing else."""
    instead = {digest: plan.delta for digest, plan in plans.items() if not store.has(plan.layer)}
    return tuple(replace(lock, layers=tuple(instead.get(layer.digest, layer) for layer in lock.layers)) for lock in locks)


class _Planning:
    """The plan of one image."""

    def __init__(self, lock: ImageLock, bases: Bases, tried: Mapping[str, Collection[str]], tools: DeltaTools) -> None:
        self._lock = lock
        self._bases = bases
        self._tried = tried
        self._tools = tools
        self._records = tools.store.deltas

    def write(self) -> None:
        missing: list[Missing] = []
        for digest, (layer, diff_id) in self._layers().items():
            record = self._records.of(digest)
            if not self._is_missing(layer, diff_id):
                if record.plan is not None and not record.done:
                    self._records.write(layer, replace(record, plan=None))
                continue
            left = layer.size - self._tools.store.bytes_present(layer)
            missing_layer = Missing(layer, diff_id, left, frozenset((*record.refused, *self._tried.get(digest, ()))), self._spent(digest))
            if record.plan is not None and still_good(record.plan, missing_layer, self._bases.has):
                self._records.write(layer, replace(record, done=False))  # one that was rebuilt, and is gone, is rebuilt again
            else:
                missing.append(missing_layer)
        if missing:
            self._choose_all(missing)

    def _spent(self, digest: str) -> bool:
        """Whether too many deltas of a layer have failed to try another one: a registry can offer any number of them.

        Where only deltas may come, in this turn; else for good, and the whole layer comes.
        """
        in_vain = (
            self._tried.get(digest, ())
            if self._tools.mode is DeltaMode.ONLY
            else {*self._tried.get(digest, ()), *self._records.of(digest).refused}
        )
        return len(in_vain) >= MOST_IN_VAIN

    def _choose_all(self, missing: Sequence[Missing]) -> None:
        """First from media, which cost no byte of the link; then from the registry, if layers of other versions are here."""
        bundled = self._bundled()
        chosen = [(layer, choose(layer, bundled, self._bases.has, at_any_size=True)) for layer in missing]
        rest = [layer for layer, choice in chosen if choice.plan is None]
        offers = bundled
        if rest and self._tools.mode is not DeltaMode.OFF and self._tools.ledger.has_images_besides([self._lock.name]):
            offers = (*bundled, *self._registered(temporary=len(rest) == len(missing)))
        only = self._tools.mode is DeltaMode.ONLY
        for layer, choice in chosen:
            self._write(layer, choice if choice.plan else choose(layer, offers, self._bases.has, at_any_size=only))

    def _layers(self) -> dict[str, tuple[Descriptor, str]]:
        known = diff_ids(self._lock)
        return {layer.digest: (layer, known.get(layer.digest, layer.digest)) for layer in self._lock.layers}

    def _is_missing(self, layer: Descriptor, diff_id: str) -> bool:
        """Whether it would be downloaded, and has the size for a delta. One that is not compressed comes as it is."""
        store, media = self._tools.store, self._tools.media
        return layer.size > SMALL and layer.digest != diff_id and not (store.has(layer) or media.has(layer) or self._in_runtime(layer))

    def _in_runtime(self, layer: Descriptor) -> bool:
        try:
            with self._tools.runtime.open_blob(layer) as file:
                return file is not None and file.seekable()  # of a pipe it is not known before it is read
        except (RuntimeUnreachable, PermissionRefused):
            return False

    def _write(self, layer: Missing, choice: Choice) -> None:
        """Raises DeltaMissing."""
        only, known = self._tools.mode is DeltaMode.ONLY, self._records.of(layer.layer)
        why = known.reason if known.reason and (layer.refused or not choice.reason) else choice.reason
        if choice.plan is not None or why or known.plan is not None:
            self._records.write(layer.layer, LayerRecord(choice.plan, refused=known.refused, reason="" if choice.plan else why))
        if choice.plan is None and only:
            raise _none(self._lock, layer, why)

    def _bundled(self) -> tuple[DeltaLayer, ...]:
        """None of a medium that cannot be read."""
        if not self._tools.from_media:
            return ()
        try:
            return self._tools.media.deltas(self._lock.reference, self._lock.manifest).layers
        except TransferStopped:
            raise
        except ProvisionError:
            return ()

    def _registered(self, *, temporary: bool) -> tuple[DeltaLayer, ...]:
        """Raises trouble that passes, with `temporary`: else the registry may never be there, and media have something."""
        try:
            return self._tools.source.deltas(self._lock.reference, self._lock.manifest).layers
        except TransferStopped:
            raise
        except ProvisionError as error:
            if error.temporary and temporary:
                raise
            return ()


def _none(lock: ImageLock, missing_layer: Missing, reason: str) -> DeltaMissing:
    why = reason or "there is none for this version"
    error = DeltaMissing(f"{lock.reference}: layer {missing_layer.layer.digest[:19]} comes as a delta only (download.deltas), and {why}")
    error.wait_reason = WaitReason(WaitKind.DELTA_MISSING, str(error))
    return error
