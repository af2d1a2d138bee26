"""Space as a value: what is needed on which filesystem, what is free there, and who gets it. Pure, but for the one look at the disk.

A need has a name. Two needs of one name are one need: two images share a layer, and what one process has reserved is what another
finds in the queue. So whatever is known of what is under way can be put together, and nothing counts twice.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kelvin_provision.quantity import Headroom

UNPACKED = 3
"""A compressed layer is reckoned to unpack to so many times its size; a manifest does not say. Common base images come to two to three."""


@dataclass(frozen=True)
class SpaceRequest:
    """Bytes that somebody will still put on a filesystem (`device` as in stat(2)). `sure` is False for an estimate."""

    what: str
    device: int
    bytes: int
    sure: bool = True


@dataclass(frozen=True)
class Filesystem:
    """A filesystem: where it is mounted, what is free there for people without privileges, and how much of that is left alone."""

    device: int
    place: Path
    free: int
    kept: int = 0


@dataclass(frozen=True)
class Shortage:
    """A filesystem on which it does not fit."""

    room: Filesystem
    needed: int
    guessed: int
    """So much of what is needed is an estimate."""
    promised: int
    """So much of what is free is for others."""

    @property
    def usable(self) -> int:
        """What is free and is neither left alone nor promised."""
        return max(self.room.free - self.room.kept - self.promised, 0)


def merged(needs: Iterable[SpaceRequest]) -> tuple[SpaceRequest, ...]:
    """Each need once; of two of one name the greater one."""
    found: dict[tuple[str, int], SpaceRequest] = {}
    for need in needs:
        known = found.get((need.what, need.device))
        if known is None or need.bytes > known.bytes:
            found[need.what, need.device] = need
    return tuple(found.values())


def shortages(rooms: Iterable[Filesystem], wanted: Iterable[SpaceRequest], promised: Iterable[SpaceRequest] = ()) -> tuple[Shortage, ...]:
    """Where `wanted` does not fit beside what is promised to others. What wants nothing of a filesystem fits on a full one, too."""
    mine = merged(wanted)
    names = {(need.what, need.device) for need in mine}
    others = [need for need in merged(promised) if (need.what, need.device) not in names]
    found = []
    for room in {room.device: room for room in rooms}.values():
        here = [need for need in mine if need.device == room.device]
        needed = sum(need.bytes for need in here)
        taken = sum(need.bytes for need in others if need.device == room.device)
        short = Shortage(room, needed, sum(need.bytes for need in here if not need.sure), taken)
        if needed > short.usable:
            found.append(short)
    return tuple(found)


def admit(
    rooms: Sequence[Filesystem], promised: Iterable[SpaceRequest], queue: Iterable[Sequence[SpaceRequest]]
) -> tuple[SpaceRequest, ...]:
    """What is promised, with all of the queue that fits, in its order: who came first gets room, who cannot have it keeps nobody out."""
    taken = merged(promised)
    for wanted in queue:
        if not shortages(rooms, wanted, taken):
            taken = merged([*taken, *wanted])
    return taken


def room_at(path: Path, headroom: Headroom) -> Filesystem | None:
    """The filesystem on which this file or folder is, or would be made. None where that cannot be told."""
    place = path.absolute()
    try:
        while not os.path.lexists(place) and place != place.parent:
            place = place.parent
        place = place.resolve()
        found, device = os.statvfs(place), place.stat().st_dev
        while place != place.parent and place.parent.stat().st_dev == device:
            place = place.parent
    except OSError:
        return None
    return Filesystem(device, place, found.f_bavail * found.f_frsize, headroom.of(found.f_blocks * found.f_frsize))
