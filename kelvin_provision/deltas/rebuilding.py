"""A layer out of its delta and the layers that it is made from, which are each read once, from front to back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

from kelvin_provision.deltas.artifact import DeltaLayer

Bases = Callable[[str], AbstractContextManager[BinaryIO | None]]
"""Opens a layer by its diff_id: its bytes plain, as gzip or as zstd, whatever is here; None if it is not here."""


def rebuild(
    delta: BinaryIO | Path, expected: DeltaLayer, bases: Bases, output: int | Path, stop: Callable[[], None] = lambda: None
) -> None:
    """Write the layer to `output`, a file of any length that is opened for reading and writing, or the path of one.

    At the end the file has exactly the bytes of `expected.diff_id`; it is not synced. `stop` is called often, and raises what ends the
    rebuilding. At most 96 MiB of memory. Raises DeltaInvalid (of the delta alone), DeltaBaseMissing, DeltaBaseDamaged (the base is here,
    and is not what its digest says), NoSpace and CannotWrite.
    """
    raise NotImplementedError
