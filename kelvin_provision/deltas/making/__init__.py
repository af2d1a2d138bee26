"""How a delta is made, at a desk or in a build."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from kelvin_provision.deltas.model import Source


@dataclass(frozen=True)
class Made:
    """A delta that was written: `size` bytes that make the layer `target` of `target_size` bytes out of `sources`."""

    digest: str
    size: int
    target: str
    target_size: int
    sources: tuple[Source, ...]
    memory: int
    seconds: float


def make_layer(old: BinaryIO, new: BinaryIO, output: BinaryIO) -> Made:
    """`old` and `new` are layers, plain, gzip or zstd. Needs disk space for both, uncompressed, in the folder of temporary files."""
    raise NotImplementedError
