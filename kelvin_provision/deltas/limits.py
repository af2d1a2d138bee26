"""What the reader of deltas refuses. Its memory is bounded by these numbers (ADR 0063)."""

from __future__ import annotations

HEADER = 8 << 20
"""Bytes of a header before its compression: 466,000 rows, each of which takes some 40 bytes of memory."""
SOURCES = 16
BLOCK = 4 << 20
FRAME = BLOCK + (64 << 10)
"""What zstd makes of a block that cannot be compressed has some bytes more."""
DICTIONARY = 8 << 20
LEAST_DICTIONARY = 8
"""libzstd takes no smaller one."""
HELD = 24 << 20
"""Bytes of dictionaries at once."""
WINDOW_LOG = 24
SIZE = 1 << 40
"""Bytes of a layer."""

LAYERS = 256
"""Deltas of one image."""
MANIFEST = 4 << 20
WORTH = 0.7
"""The largest share of the bytes of a compressed layer at which its delta is of use."""
