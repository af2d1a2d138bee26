"""The layers of one version that come as deltas, from the choice to the rebuilt layer: what staging needs of this package."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager

from kelvin_provision.errors import NoSpace, ProvisionError
from kelvin_provision.spec.deltas import DeltaMode
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.staging.deltas.bases import Bases
from kelvin_provision.staging.deltas.planning import DeltaTools, downloads, plan
from kelvin_provision.staging.deltas.rebuilding import Rebuilding, Tried


class LayerDeltas:
    """One turn at staging, which may take several attempts: a delta that could not be used in one is left out of the next."""

    def __init__(self, locks: Sequence[ImageLock], tools: DeltaTools) -> None:
        self._locks = locks
        self._tools = tools
        self._index = tools.store.deltas
        self._tried: Tried = defaultdict(set)
        self._bases = self._bases_here()

    def _bases_here(self) -> Bases:
        names = {lock.name for lock in self._locks}
        known = self._tools.ledger.known_images
        return Bases(self._tools.store, self._tools.runtime, lambda: (lock for lock in known(sound_only=True) if lock.name not in names))

    def plan(self) -> None:
        """Raises DeltaMissing, and as `Source.deltas`."""
        self._bases = self._bases_here()
        plan(self._locks, self._bases, self._tried, self._tools)

    @contextmanager
    def reserved(self, reserve: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
        """In the block, space is reserved and bases are kept. Without space to rebuild layers, they are downloaded whole if that fits."""
        with ExitStack() as stack:
            try:
                stack.enter_context(reserve())
            except NoSpace:
                plans = self._index.plans(self._locks)
                if not plans or self._tools.mode is DeltaMode.ONLY:
                    raise
                for each in plans.values():
                    self._index.write(each.layer, self._index.of(each.layer).refuse("there is not enough space to rebuild its layer"))
                stack.enter_context(reserve())
            needs = {need for each in self._index.plans(self._locks).values() for need in each.needs}
            stack.enter_context(self._tools.store.lease(self._bases.holding(needs)))
            yield

    def downloads(self) -> tuple[ImageLock, ...]:
        """The images as they are downloaded: with deltas in place of layers."""
        return downloads(self._locks, self._index.plans(self._locks), self._tools.store)

    def give_up(self, error: ProvisionError) -> bool:
        """Whether the error is that of a delta: its layer is downloaded whole then, or by another delta. It may be tried again later."""
        lost = [] if error.temporary else [each for each in self._index.plans(self._locks).values() if each.delta.digest == error.blob]
        for each in lost:
            self._tried[each.layer.digest].add(each.delta.digest)
            self._index.write(each.layer, self._index.of(each.layer).refuse(f"its delta does not come: {error}"))
        return bool(lost)

    def rebuild(self) -> bool:
        """Whether all these layers are here now: False if a delta could not be used, so that its layer is still to be downloaded."""
        plans = self._index.plans(self._locks)
        rebuilding = Rebuilding(self._bases, self._tools, self._tried)
        images = {layer.digest: lock for lock in self._locks for layer in lock.layers}
        return all([rebuilding.rebuild(images[digest], each) for digest, each in plans.items()])  # noqa: C419  (each costs its own only)
