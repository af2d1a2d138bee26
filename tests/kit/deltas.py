"""Deltas of small layers, and rebuilding from what is at hand."""

import io
import tempfile
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from kelvin_provision.deltas import header
from kelvin_provision.deltas.artifact import LAYER_TYPE, DeltaLayer
from kelvin_provision.deltas.making import Made, make_layer
from kelvin_provision.deltas.model import LayerDelta
from kelvin_provision.deltas.rebuilding import rebuild
from kelvin_provision.refs import Descriptor
from tests.kit.images import sha256

COMPRESSED = "sha256:" + "c" * 64


@dataclass(frozen=True)
class Delta:
    """Made of plain layers."""

    old: bytes
    new: bytes
    data: bytes
    layer: DeltaLayer

    @property
    def parsed(self) -> LayerDelta:
        return header.read(io.BytesIO(self.data), len(self.data))[0]

    @property
    def frames(self) -> bytes:
        return self.data[header.read(io.BytesIO(self.data), len(self.data))[1] :]

    def rebuilt(self, data: bytes | None = None, bases: Mapping[str, bytes] | None = None, layer: DeltaLayer | None = None) -> bytes:
        """By this delta, or by one that was changed, out of what is said to be here."""
        return rebuilt(self.data if data is None else data, layer or self.layer, {sha256(self.old): self.old} if bases is None else bases)


def described(made: Made) -> DeltaLayer:
    blob = Descriptor(LAYER_TYPE, made.digest, made.size)
    return DeltaLayer(blob, made.target, made.target_size, tuple(source.diff_id for source in made.sources), COMPRESSED, made.memory)


def make(old: bytes, new: bytes) -> Delta:
    output = io.BytesIO()
    made = make_layer(io.BytesIO(old), io.BytesIO(new), output)
    return Delta(old, new, output.getvalue(), described(made))


def rebuilt(data: bytes, layer: DeltaLayer, bases: Mapping[str, bytes], stop=lambda: None) -> bytes:
    @contextmanager
    def opened(diff_id: str):
        yield io.BytesIO(bases[diff_id]) if diff_id in bases else None

    with tempfile.TemporaryFile() as output:
        rebuild(io.BytesIO(data), layer, opened, output.fileno(), stop)
        output.seek(0)
        return output.read()
