"""Many names in one sentence, and many sentences that differ in the name only. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

MOST_NAMES = 5


def listed(names: Sequence[str], most: int = MOST_NAMES) -> str:
    """`a, b, c`; of more than `most` the first, and how many more: `a, b, c, d, e and 118 more`."""
    if len(names) <= most + 1:  # "and 1 more" is no shorter than the name
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"


def counted(names: Sequence[str], noun: str) -> str:
    """`pump`; `123 workloads: a, b, c, d, e and 118 more`."""
    return listed(names) if len(names) <= MOST_NAMES + 1 else f"{len(names)} {noun}s: {listed(names)}"


def grouped(lines: Iterable[str]) -> list[str]:
    """Lines `NAME: TEXT` that follow each other and have the same text are one line, with the names listed. Others stay."""
    groups: list[tuple[list[str], str | None]] = []
    for line in lines:
        name, colon, text = line.partition(": ")
        if colon and groups and groups[-1][1] == text and name not in groups[-1][0]:
            groups[-1][0].append(name)
        else:
            groups.append(([name], text) if colon else ([line], None))
    return [f"{listed(names)}: {text}" if text is not None else names[0] for names, text in groups]
