"""JSON of strangers that would take many times its size in memory, told before it is parsed."""

from __future__ import annotations

DENSITY = 16
"""Bytes for each value of a table, at least: with fewer it takes up to 35 times its size in memory. A row has 19 and more."""
SPARSE = 8192
"""Values that are not counted."""


def is_dense(data: bytes) -> bool:
    """Whether this JSON has more values for its bytes than a table has: `[],` takes 22 times its size when it is parsed.

    Counted are the signs between values, also in texts, but for those of digests; it costs a hundredth of parsing.
    """
    signs = sum(map(data.count, (b",", b"[", b"{", b":"))) - data.count(b"sha256:") - data.count(b"sha512:")
    return signs > len(data) // DENSITY + SPARSE
