"""Who gets an image from whom, so that many members cost the leader little more than two. Pure.

Those that have the image, or else the leader, are the roots of a tree in which each gives to two. A member sends on what it receives while
it receives it, so that the last of many is complete little later than the first.
"""

from __future__ import annotations

from collections.abc import Sequence

from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.nodes.protocol import LEADER

FAN_OUT = 2


@dataclass(frozen=True)
class Candidate:
    """A member that shall have the image, and whether it has all of it."""

    name: str
    is_complete: bool


def sources_of(name: str, candidates: Sequence[Candidate]) -> tuple[str, ...]:
    """Whom this member asks, in order; the leader last. `candidates` have one order for all members, and serve blobs."""
    complete = [candidate.name for candidate in candidates if candidate.is_complete and candidate.name != name]
    others = [candidate.name for candidate in candidates if not candidate.is_complete]
    if name not in others:
        return (*complete[:FAN_OUT], LEADER)
    roots = complete or [LEADER]
    line = [*roots, *others]
    place = others.index(name)
    parent = line[place // FAN_OUT]
    spare = line[place // FAN_OUT // FAN_OUT]
    return (*dict.fromkeys(source for source in (parent, spare) if source != LEADER), LEADER)
