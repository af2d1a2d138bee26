"""Rebuilds a layer from its delta and its bases, each of which is read once, from front to back."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO

from kelvin_provision.deltas import header, plain
from kelvin_provision.deltas.artifact import DeltaLayer
from kelvin_provision.deltas.assembling import Assembly
from kelvin_provision.deltas.model import LayerDelta, Source
from kelvin_provision.errors import DeltaBaseDamaged, DeltaBaseMissing, DeltaInvalid
from kelvin_provision.files.durable import CHUNK, writing_to
from kelvin_provision.files.hashing import Hasher

Bases = Callable[[str], AbstractContextManager[BinaryIO | None]]
"""Opens a layer by its diff_id: its bytes plain, as gzip or as zstd, whatever is here; None if it is not here."""
_SHORT = 19
"""Characters of a digest in a message."""


def rebuild(
    delta: BinaryIO | Path, expected: DeltaLayer, bases: Bases, output: int | Path, stop: Callable[[], None] = lambda: None
) -> None:
    """Write the layer to `output`, a file of any length that is opened for reading and writing, or the path of one.

    At the end the file has exactly the bytes of `expected.diff_id`; it is not synced. `stop` is called often, and raises what ends the
    rebuilding. At most 96 MiB of memory. Raises DeltaInvalid (of the delta alone), DeltaBaseMissing, DeltaBaseDamaged (the base is here,
    and is not what its digest says), and NoSpace and CannotWrite for a path, OSError for a descriptor.
    """
    with _opened(delta) as file, _writable(output) as target:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        layer, start = header.read(file, size)
        _compare(layer, expected)
        try:
            _write(Assembly(layer, file, start, target), layer, bases, stop)
            _check(target, layer, stop)
        except (DeltaInvalid, plain.NotReadable) as error:
            _blame(layer, bases, stop)
            raise DeltaInvalid(str(error)) from error


def _compare(layer: LayerDelta, expected: DeltaLayer) -> None:
    needs = tuple(source.diff_id for source in layer.sources)
    if (layer.target, layer.size, needs, layer.memory) != (expected.diff_id, expected.size, expected.needs, expected.memory):
        raise DeltaInvalid(f"the delta of {expected.diff_id[:_SHORT]} is not the one that its manifest describes")


def _write(assembly: Assembly, layer: LayerDelta, bases: Bases, stop: Callable[[], None]) -> None:
    assembly.begin(stop)
    for number, source in enumerate(layer.sources):
        if not assembly.needs(number):
            continue
        with _base(bases, source) as file:
            at = 0
            for chunk in plain.plain(file):
                stop()
                assembly.take(number, at, memoryview(chunk))
                at += len(chunk)
                if not assembly.needs(number):
                    break
            else:
                raise DeltaBaseDamaged(f"layer {source.diff_id[:_SHORT]} is shorter here than it should be: {at} of {source.size} bytes")


@contextmanager
def _base(bases: Bases, source: Source) -> Iterator[BinaryIO]:
    with bases(source.diff_id) as file:
        if file is None:
            raise DeltaBaseMissing(f"layer {source.diff_id[:_SHORT]}, which the delta is made from, is not here")
        yield file


def _blame(layer: LayerDelta, bases: Bases, stop: Callable[[], None]) -> None:
    """Only what has failed is worth a second pass: raises DeltaBaseDamaged if a layer is not what its digest says."""
    for source in layer.sources:
        hasher = Hasher.like(source.diff_id)
        with _base(bases, source) as file:
            try:
                for chunk in plain.plain(file):
                    stop()
                    hasher.update(chunk)
                    if hasher.size > source.size:
                        break
            except plain.NotReadable as error:
                raise DeltaBaseDamaged(f"layer {source.diff_id[:_SHORT]} cannot be read here: {error}") from error
        if (hasher.digest, hasher.size) != (source.diff_id, source.size):
            raise DeltaBaseDamaged(f"layer {source.diff_id[:_SHORT]} is not what its digest says here: it is {hasher.short_digest}")


def _check(target: int, layer: LayerDelta, stop: Callable[[], None]) -> None:
    os.ftruncate(target, layer.size)
    hasher = Hasher.like(layer.target)
    while chunk := os.pread(target, CHUNK, hasher.size):
        stop()
        hasher.update(chunk)
    if hasher.digest != layer.target:
        raise DeltaInvalid(f"the delta of {layer.target[:_SHORT]} makes another layer")


@contextmanager
def _opened(delta: BinaryIO | Path) -> Iterator[BinaryIO]:
    if isinstance(delta, Path):
        with delta.open("rb", buffering=0) as file:
            yield file
    else:
        yield delta


@contextmanager
def _writable(output: int | Path) -> Iterator[int]:
    if isinstance(output, int):
        yield output
        return
    with writing_to(output):
        descriptor = os.open(output, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            yield descriptor
        finally:
            os.close(descriptor)
