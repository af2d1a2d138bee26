"""The layers that deltas can be made from: those of the images that this box keeps, wherever they lie."""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import cached_property
from typing import BinaryIO, cast

from kelvin_provision.errors import PermissionRefused, RuntimeUnreachable
from kelvin_provision.refs import Descriptor
from kelvin_provision.runtimes.protocol import Runtime
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.rebuilt import diff_ids, plain_layer
from kelvin_provision.store import Store


class Bases:
    """Layers by diff id, in the store or in the runtime, compressed or not. They are not trusted: their reader compares the digest.

    `images` is asked when the first layer is looked for: a box may have thousands, and most stagings need none of them.
    """

    def __init__(self, store: Store, runtime: Runtime | None, images: Callable[[], Iterable[ImageLock]]) -> None:
        self._store = store
        self._runtime = runtime
        self._find = images
        self._known: dict[str, bool] = {}

    @cached_property
    def _images(self) -> tuple[ImageLock, ...]:
        return tuple(self._find())

    @cached_property
    def _layers(self) -> dict[str, dict[str, Descriptor]]:
        layers: dict[str, dict[str, Descriptor]] = {}
        for lock in self._images:
            known = diff_ids(lock)
            for layer in lock.layers:
                layers.setdefault(known.get(layer.digest, layer.digest), {})[layer.digest] = layer
        return layers

    def has(self, diff_id: str) -> bool:
        """Whether it can be read now; asked once."""
        if diff_id not in self._known:
            with self.open(diff_id) as file:
                self._known[diff_id] = file is not None
        return self._known[diff_id]

    def holding(self, needs: Collection[str]) -> tuple[ImageLock, ...]:
        """The images that have these layers, reduced to them: a lease on these keeps the layers until they are read."""
        if not needs:
            return ()
        digests = {digest for diff_id in needs for digest in self._layers.get(diff_id, ())}
        reduced = (replace(lock, layers=tuple(layer for layer in lock.layers if layer.digest in digests)) for lock in self._images)
        return tuple(lock for lock in reduced if lock.layers)

    @contextmanager
    def open(self, diff_id: str) -> Iterator[BinaryIO | None]:
        """The layer, at its first byte; None where it is not on this box, or its runtime does not answer."""
        layers = self._layers.get(diff_id, {}).values()
        for layer in layers:
            if self._store.has(layer):
                with suppress(FileNotFoundError), self._store.path(self._store.plain(layer) or layer).open("rb", buffering=0) as file:
                    yield file
                    return
        with self._in_runtime(diff_id, layers) as file:
            yield file

    @contextmanager
    def _in_runtime(self, diff_id: str, layers: Iterable[Descriptor]) -> Iterator[BinaryIO | None]:
        """Under the digest that was published, or that of a rebuilt layer."""
        for layer in (*layers, *(plain_layer(layer, diff_id, 0) for layer in layers)):
            with ExitStack() as stack:
                if self._runtime is None:
                    break
                try:
                    file = stack.enter_context(self._runtime.open_blob(layer))
                except (RuntimeUnreachable, PermissionRefused):
                    break
                if file is not None and (readable := _with_content(file)) is not None:
                    yield readable
                    return
        yield None


def _with_content(file: BinaryIO) -> BinaryIO | None:
    """The same from its first byte on; None for the empty pipe of a runtime that does not have it."""
    buffered = io.BufferedReader(cast("io.RawIOBase", file))
    return buffered if buffered.peek(1) else None
