"""Disk space as values: what is requested on which filesystem, what is free there, and which requests are admitted.

A request has a name, and two requests of one name are one: two images share a layer, and what one process has reserved is also in
another's queue. So everything that is known to be under way can be put together, and nothing counts twice.

Pure, except `filesystem_of`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kelvin_provision.quantity import Headroom

UNPACK_FACTOR = 3
"""A compressed layer is estimated to unpack to this many times its size; a manifest does not say. Common base images need two to three."""


@dataclass(frozen=True)
class SpaceRequest:
    """Bytes that will be written to a filesystem (`device` as in stat(2)). `exact` is False for an estimate."""

    name: str
    device: int
    bytes: int
    exact: bool = True


@dataclass(frozen=True)
class Filesystem:
    """`free` is what an unprivileged user may write; `headroom` is how much of it stays free."""

    device: int
    mount_point: Path
    free: int
    headroom: int = 0


@dataclass(frozen=True)
class Shortage:
    """A filesystem on which the requests do not fit."""

    filesystem: Filesystem
    needed: int
    estimated: int
    """How much of `needed` is an estimate."""
    reserved: int
    """How much of the free space is reserved for others."""

    @property
    def usable(self) -> int:
        """What is free without the headroom and the reservations."""
        return max(self.filesystem.free - self.filesystem.headroom - self.reserved, 0)


def merged(requests: Iterable[SpaceRequest]) -> tuple[SpaceRequest, ...]:
    """Each name once per filesystem, with the largest request."""
    largest: dict[tuple[str, int], SpaceRequest] = {}
    for request in requests:
        larger = largest.get((request.name, request.device))
        if larger is None or request.bytes > larger.bytes:
            largest[request.name, request.device] = request
    return tuple(largest.values())


def shortages(
    filesystems: Iterable[Filesystem], requests: Iterable[SpaceRequest], reserved: Iterable[SpaceRequest] = ()
) -> tuple[Shortage, ...]:
    """Where `requests` do not fit beside what is reserved for others. A request for zero bytes fits on a full filesystem, too."""
    merged_requests = merged(requests)
    names = {(request.name, request.device) for request in merged_requests}
    others = [request for request in merged(reserved) if (request.name, request.device) not in names]
    result = []
    for filesystem in {filesystem.device: filesystem for filesystem in filesystems}.values():
        here = [request for request in merged_requests if request.device == filesystem.device]
        needed = sum(request.bytes for request in here)
        estimated = sum(request.bytes for request in here if not request.exact)
        taken = sum(request.bytes for request in others if request.device == filesystem.device)
        shortage = Shortage(filesystem, needed, estimated, taken)
        if needed > shortage.usable:
            result.append(shortage)
    return tuple(result)


def admit(
    filesystems: Sequence[Filesystem], reserved: Iterable[SpaceRequest], queue: Iterable[Sequence[SpaceRequest]]
) -> tuple[SpaceRequest, ...]:
    """What is reserved, with all of the queue that fits, in order; a request that does not fit does not block those behind it."""
    admitted = merged(reserved)
    for requests in queue:
        if not shortages(filesystems, requests, admitted):
            admitted = merged([*admitted, *requests])
    return admitted


def filesystem_of(path: Path, headroom: Headroom) -> Filesystem | None:
    """The filesystem that holds this path, or will once it is created. None where the kernel does not tell."""
    path = path.absolute()
    try:
        while not os.path.lexists(path) and path != path.parent:
            path = path.parent
        path = path.resolve()
        stats, device = os.statvfs(path), path.stat().st_dev
        while path != path.parent and path.parent.stat().st_dev == device:
            path = path.parent
    except OSError:
        return None
    return Filesystem(device, path, stats.f_bavail * stats.f_frsize, headroom.of(stats.f_blocks * stats.f_frsize))
