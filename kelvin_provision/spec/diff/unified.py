"""Long texts side by side, as unified lines. Pure, and bounded: a text volume may have a mebibyte."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

AROUND = 3
"""Lines that are shown around a change."""

MOST = 4_000_000
"""Lines of one text times lines of the other, as far as they differ, up to which they are compared line by line."""


def unified(old: str, new: str) -> list[str]:
    """`@@ -1,4 +1,4 @@`, then lines that begin with a space, `-` or `+`; nothing where the texts are the same."""
    before, after = old.splitlines(), new.splitlines()
    if before == after:
        return [] if old == new else ["@@ @@", " the end of the last line has changed"]
    if _work(before, after) > MOST:
        return ["@@ @@", f"-{len(before)} lines, too many to compare", f"+{len(after)} lines"]
    return [line.rstrip("\n") for line in difflib.unified_diff(before, after, n=AROUND, lineterm="")][2:]


def _work(before: Sequence[str], after: Sequence[str]) -> int:
    """How much there is to compare between the first line that differs and the last."""
    head = _same(before, after)
    tail = _same(before[head:][::-1], after[head:][::-1])
    return (len(before) - head - tail) * (len(after) - head - tail)


def _same(one: Sequence[str], other: Sequence[str]) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
