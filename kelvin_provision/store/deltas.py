"""Which layers come as deltas, or came so: one small file a layer, named by the digest of the layer as it was published.

It is needed as long as the layer is, and the delta that it names until the layer is rebuilt.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from kelvin_provision.files.durable import private_folder, read_own, write_durably
from kelvin_provision.refs import Descriptor
from kelvin_provision.spec.deltas import NO_DELTAS, DeltaUse, LayerPlan, LayerRecord, use_of
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.store.layout import Layout

NOTHING = LayerRecord()


class DeltaIndex:
    """A file that is damaged counts as none: the delta is looked for again."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._folder = layout.deltas

    def of(self, layer: Descriptor | str) -> LayerRecord:
        """What is known of a layer; an empty record where nothing is."""
        try:
            record = LayerRecord.from_json(json.loads(read_own(self._path(layer if isinstance(layer, str) else layer.digest))))
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return NOTHING
        return record

    def use(self, lock: ImageLock) -> DeltaUse:
        """What deltas do for an image."""
        if not self._folder.is_dir():
            return NO_DELTAS
        return use_of(self.of(digest) for digest in dict.fromkeys(layer.digest for layer in lock.layers))

    def plans(self, locks: Iterable[ImageLock]) -> dict[str, LayerPlan]:
        """Of these images, by the digest of the layer as it was published: what is still to be rebuilt."""
        if not self._folder.is_dir():
            return {}
        records = {layer.digest: self.of(layer) for lock in locks for layer in lock.layers}
        return {digest: record.plan for digest, record in records.items() if record.plan is not None and not record.done}

    def write(self, layer: Descriptor, record: LayerRecord) -> None:
        """What is known already is not written again."""
        if record == self.of(layer):
            return
        with self._layout.exclusive():
            private_folder(self._folder)
            write_durably(self._path(layer.digest), [json.dumps(record.to_json()).encode() + b"\n"])

    def progress(self, layer: Descriptor, present: Callable[[Descriptor], int]) -> tuple[int, int]:
        """Bytes that are here of what is downloaded for a layer, and in total."""
        record = self.of(layer) if self._folder.is_dir() else NOTHING
        if record.plan is None:
            return present(layer), layer.size
        delta = record.plan.delta
        return delta.size if record.done else present(delta), delta.size

    def needed(self, layers: Container[str]) -> Iterator[str]:
        """The digests of deltas that these layers are still to be rebuilt with."""
        for path in self._files():
            layer = _layer(path)
            if layer in layers and (record := self.of(layer)).plan is not None and not record.done:
                yield record.plan.delta.digest

    def others(self, layers: Container[str]) -> Iterable[Path]:
        """The files of all other layers, and what a power cut left of a write."""
        return [path for path in self._files() if _layer(path) not in layers]

    def _files(self) -> list[Path]:
        with suppress(FileNotFoundError):
            return sorted(self._folder.iterdir())
        return []

    def _path(self, layer: str) -> Path:
        return self._folder / f"{layer.replace(':', '-', 1)}.json"


def _layer(path: Path) -> str:
    return path.name.removesuffix(".json").replace("-", ":", 1)
