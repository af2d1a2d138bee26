"""Whether the medium has what was written: it is read again, past the page cache."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from kelvin_provision.bundles import limits
from kelvin_provision.bundles.model import Contents
from kelvin_provision.bundles.writing import pipeline
from kelvin_provision.bundles.writing.filling import spans
from kelvin_provision.bundles.writing.output import Output
from kelvin_provision.errors import BundleDamaged

_NAMED = 8
"""Places that are named in a message."""


def read_back(contents: Contents, hashes: Sequence[bytes], head: bytes, output: Output, done: Callable[[int], None]) -> None:
    """Raises BundleDamaged, which names parts and places."""
    output.drop_cache()
    start = contents.chunks.end
    wrong: list[int] = []
    expected = iter(hashes)

    def compare_head(offset: int, view: memoryview) -> None:
        if head[offset : offset + len(view)] != bytes(view):
            wrong.append(offset)

    def compare(offset: int, view: memoryview) -> None:
        if hashlib.sha256(view).digest() != next(expected):
            wrong.append(offset)
        done(offset + len(view))

    pipeline.run(spans(0, start), output.read_into, compare_head)
    pipeline.run(spans(start, contents.total), output.read_into, compare)
    if wrong:
        places = [_place(contents, offset) for offset in wrong[:_NAMED]]
        more = [f"and {len(wrong) - _NAMED} more"] if len(wrong) > _NAMED else []
        total = limits.chunk_count(0, contents.total)
        raise BundleDamaged(
            f"the medium does not keep what is written: {len(wrong)} of {total} chunks of 4 MiB are wrong",
            hint="use another medium; the same command again writes only what is wrong",
            evidence=[*places, *more],
        )


def _place(contents: Contents, offset: int) -> str:
    number, start = contents.part_of(offset)
    where = f"part {number}, " if len(contents.parts) > 1 else ""
    return f"{where}MiB {start >> 20}"
