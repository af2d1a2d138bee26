"""Texts compared as unified diffs. Pure, and bounded: a text volume may have a mebibyte."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

CONTEXT_LINES = 3

MAX_WORK = 4_000_000
"""Lines of one text times lines of the other, where they differ; beyond it only their numbers are reported."""


def unified(old: str, new: str) -> list[str]:
    """`@@ -1,4 +1,4 @@`, then lines that begin with a space, `-` or `+`; empty for equal texts."""
    before, after = old.splitlines(), new.splitlines()
    if before == after:
        return [] if old == new else ["@@ @@", " only the newline at the end has changed"]
    if _work(before, after) > MAX_WORK:
        return ["@@ @@", f"-{len(before)} lines, too many to compare", f"+{len(after)} lines"]
    return [line.rstrip("\n") for line in difflib.unified_diff(before, after, n=CONTEXT_LINES, lineterm="")][2:]


def _work(before: Sequence[str], after: Sequence[str]) -> int:
    """The size of the comparison between the first and the last line that differ."""
    head = _common(before, after)
    tail = _common(before[head:][::-1], after[head:][::-1])
    return (len(before) - head - tail) * (len(after) - head - tail)


def _common(old: Sequence[str], new: Sequence[str]) -> int:
    return next((index for index, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
