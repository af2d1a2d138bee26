"""The deltas of the layers in which two images differ. Each is applied once here before a box gets it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO, Self

from kelvin_provision.deltas import limits
from kelvin_provision.deltas.artifact import LAYER_TYPE, DeltaLayer
from kelvin_provision.deltas.making import Made, make, opened
from kelvin_provision.deltas.making.members import Layer
from kelvin_provision.deltas.plain import NotReadable
from kelvin_provision.deltas.rebuilding import rebuild
from kelvin_provision.errors import DigestMismatch, ImageUnsupported
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.durable import writing_to
from kelvin_provision.refs import Descriptor
from kelvin_provision.spec.lock import ImageLock

_AGAIN = "push the image again"
Open = Callable[[Descriptor, str], BinaryIO]
"""A layer, by the descriptor of what the registry has and by its diff_id."""


@dataclass(frozen=True)
class ChangedLayer:
    """A layer of the new image that the old one does not have. `delta` is None where a delta cannot be made; `file` has its bytes.

    `worth`: whether a box should take it instead of the layer.
    """

    blob: Descriptor
    diff_id: str
    delta: DeltaLayer | None
    file: BinaryIO | None
    seconds: float = 0.0

    @property
    def worth(self) -> bool:
        return self.delta is not None and self.delta.blob.size <= limits.WORTH * self.blob.size


def changed(old: ImageLock, new: ImageLock) -> tuple[list[tuple[Descriptor, str]], list[tuple[Descriptor, str]]]:
    """The layers of the new image that the old one lacks, each once; and the layers of the old one that they may be made from.

    These are the layers that the new image no longer has; if it has all of them, any.
    """
    before, after = (dict(zip(lock.diff_ids, lock.layers, strict=True)) for lock in (old, new))
    changes = [(blob, diff_id) for diff_id, blob in after.items() if diff_id not in before]
    gone = [(blob, diff_id) for diff_id, blob in before.items() if diff_id not in after]
    return changes, (gone or [(blob, diff_id) for diff_id, blob in before.items()])[: limits.SOURCES]


class Workshop:
    """Where deltas are made. Needs space in the folder for the layers that are compared, uncompressed; nothing is left there.

    `stop` raises what ends the making. Raises DigestMismatch, ImageUnsupported, NoSpace and CannotWrite.
    """

    def __init__(self, open_blob: Open, folder: Path, stop: Callable[[], None]) -> None:
        self._open, self._folder, self._stop = open_blob, folder, stop
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(writing_to(self._folder))
        return self

    def __exit__(self, *reason: object) -> bool | None:
        return self._stack.__exit__(*reason)  # type: ignore[arg-type]

    def deltas(self, old: ImageLock, new: ImageLock) -> Iterator[ChangedLayer]:
        """One after the other, as each is made. Its file is kept until the end."""
        changes, bases = changed(old, new)
        olds = [self._stack.enter_context(self._layer(blob, diff_id)) for blob, diff_id in bases] if changes else []
        for blob, diff_id in changes:
            yield self._made(olds, blob, diff_id)

    @contextmanager
    def _layer(self, blob: Descriptor, diff_id: str) -> Iterator[Layer]:
        with ExitStack() as stack:
            with self._open(blob, diff_id) as file:
                try:
                    layer = stack.enter_context(opened(file, self._folder, self._stop))
                except NotReadable as error:
                    hint = "push the image again with a current tool"
                    raise ImageUnsupported(f"layer {blob.digest} cannot be read: {error}", hint=hint) from error
            if layer.diff_id != diff_id:
                raise DigestMismatch(f"layer {blob.digest} has other content than the config of its image says", hint=_AGAIN)
            yield layer

    def _made(self, olds: Sequence[Layer], blob: Descriptor, diff_id: str) -> ChangedLayer:
        with self._layer(blob, diff_id) as layer:
            output = self._stack.enter_context(tempfile.TemporaryFile(dir=self._folder))  # noqa: SIM115  (the stack closes it)
            try:
                made = make(olds, layer, output, self._folder, self._stop) if olds and layer.size else None
            except ValueError:  # more pieces than a delta can have
                made = None
        if made is None:
            return ChangedLayer(blob, diff_id, None, None)
        output.flush()
        delta = described(made, blob)
        self._try(delta, output, olds)
        return ChangedLayer(blob, diff_id, delta, output, made.seconds)

    def _try(self, delta: DeltaLayer, file: BinaryIO, olds: Sequence[Layer]) -> None:
        """Apply it, as each box will. Raises DeltaInvalid."""
        files = {layer.diff_id: layer.file for layer in olds}
        for layer in files.values():
            layer.seek(0)
        with tempfile.TemporaryFile(dir=self._folder) as target:
            rebuild(file, delta, lambda diff_id: nullcontext(files.get(diff_id)), target.fileno(), self._stop)


def described(made: Made, blob: Descriptor) -> DeltaLayer:
    needs = tuple(source.diff_id for source in made.sources)
    return DeltaLayer(Descriptor(LAYER_TYPE, made.digest, made.size), made.target, made.target_size, needs, blob.digest, made.memory)
