"""Rebuilds layers from the deltas that are here, at low priority, one after the other. A delta that fails keeps no other back."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kelvin_provision.deltas.artifact import DeltaLayer
from kelvin_provision.errors import (
    DeltaBaseDamaged,
    DeltaBaseMissing,
    DeltaInvalid,
    DigestMismatch,
    ProvisionError,
    StateDamaged,
    TransferStopped,
)
from kelvin_provision.events import Finished, Note, Started
from kelvin_provision.files.durable import writing_to
from kelvin_provision.ledger import traffic
from kelvin_provision.refs import Descriptor
from kelvin_provision.spec.deltas import LayerPlan
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.staging.deltas.bases import Bases
from kelvin_provision.staging.deltas.planning import DeltaTools

_NOT_AGAIN = (DeltaInvalid, DigestMismatch)
_COULD_BE_LATER = (DeltaBaseMissing, DeltaBaseDamaged)
Tried = defaultdict[str, set[str]]
"""Deltas that could not be used in this turn, by the digest of the layer as it was published."""


class Rebuilding:
    """Of the layers of images. `tried` gets the deltas that could not be used."""

    def __init__(self, bases: Bases, tools: DeltaTools, tried: Tried) -> None:
        self._bases = bases
        self._tools = tools
        self._store = tools.store
        self._tried = tried

    def rebuild(self, lock: ImageLock, plan: LayerPlan) -> bool:
        """Whether the layer is here now. False if its delta cannot be used: the reason is recorded and reported, and the delta is dropped.

        Raises TransferStopped, with the delta kept; NoSpace, CannotWrite, Locked.
        """
        if self._store.has(plan.layer):
            return True
        task = str(lock.reference)
        self._tools.progress(Started(task, "rebuilding", plan.rebuilt.size))
        try:
            self._write(plan)
        except (*_NOT_AGAIN, *_COULD_BE_LATER) as error:
            self._refuse(task, plan, error)
            return False
        traffic.record_saved(self._tools.ledger, plan)
        self._drop(plan.delta)
        self._store.drop_partial(plan.layer)  # of which a part may have come before there was a delta
        self._tools.progress(Finished(task, "rebuilt"))
        return True

    def _write(self, plan: LayerPlan) -> None:
        from kelvin_provision.deltas.rebuilding import rebuild  # zstd is loaded only where there is a delta

        expected = DeltaLayer(plan.delta, plan.rebuilt.digest, plan.rebuilt.size, plan.needs, plan.layer.digest, plan.memory)
        with self._store.rebuilding(plan.layer, plan.rebuilt) as file:
            if file is None:
                return  # another process was faster
            with writing_to(Path(plan.rebuilt.digest)):
                os.posix_fallocate(file.descriptor, 0, plan.rebuilt.size)
            with self._delta(plan) as delta:
                rebuild(delta, expected, self._bases.open, file.descriptor, self._check_stop)
            self._store.deltas.write(plan.layer, self._store.deltas.of(plan.layer).finished())
            file.commit()

    @contextmanager
    def _delta(self, plan: LayerPlan) -> Iterator[Path]:
        if not self._store.has_packed(plan.delta):
            raise DeltaInvalid(f"the delta {plan.delta.digest} is not in the store any more")
        yield self._store.path(plan.delta)

    def _check_stop(self) -> None:
        if self._tools.stop():
            raise TransferStopped("stopped while a layer was rebuilt; its delta is kept")

    def _refuse(self, task: str, plan: LayerPlan, error: ProvisionError) -> None:
        """The whole layer is downloaded instead, or another delta. A delta whose base was missing may be used once the base is here."""
        self._tried[plan.layer.digest].add(plan.delta.digest)
        again = "" if isinstance(error, _COULD_BE_LATER) else plan.delta.digest
        self._store.deltas.write(plan.layer, self._store.deltas.of(plan.layer).refuse(str(error), again))
        self._tools.progress(Note(f"{task}: layer {plan.layer.digest[:19]} is not rebuilt: {error}"))
        self._drop(plan.delta)

    def _drop(self, delta: Descriptor) -> None:
        with suppress(StateDamaged):  # then nothing is known to be garbage
            self._store.drop(delta, self._tools.ledger.kept_locks())
