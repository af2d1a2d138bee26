"""Which filesystem a place is on, and where the same medium is mounted now."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files import mounts as files
from kelvin_provision.files.mounts import Mount
from kelvin_provision.ledger.reading.bundles import KnownMedium

_MOST = 64
"""Mounted media that are looked at; a node with pods has hundreds of mounts that are no media."""


_LOCAL_FUSE = re.compile(r"fuseblk|(fuse\.)?fusefat|fuse\.(exfat|ntfs).*")
"""FUSE filesystems that read from a device of this machine. Any other may be on a network, and hang."""
_NETWORK = ("/dev/nbd", "/dev/rbd", "/dev/drbd")


def may_be_medium(mount: Mount) -> bool:
    """Whether it is a whole filesystem on a device of this machine, be it read by the kernel or by a program."""
    if mount.root != "/" or mount.source.startswith(_NETWORK):
        return False
    return bool(_LOCAL_FUSE.fullmatch(mount.kind)) if mount.kind.startswith("fuse") else mount.source.startswith("/dev/")


@dataclass(frozen=True)
class Mounts:
    """What is mounted. A test may give other paths."""

    table: Path = files.TABLE
    by_uuid: Path = Path("/dev/disk/by-uuid")

    def media(self) -> tuple[Mount, ...]:
        """Whole filesystems that may be on a medium, each once."""
        mounts = files.mounts(self.table)
        own = {mount.device for mount in mounts if mount.point == Path("/")}
        candidates = {mount.device: mount for mount in mounts if may_be_medium(mount) and mount.device not in own}
        return tuple(islice(candidates.values(), _MOST))

    def uuid(self, mount: Mount) -> str:
        """Of its filesystem; empty where the system does not say."""
        with suppress(OSError):
            for link in self.by_uuid.iterdir():
                with suppress(OSError):
                    if _number(link) == mount.device:
                        return link.name
        return ""

    def medium_of(self, place: Path) -> KnownMedium:
        """How to find this place again."""
        place = Path(os.path.abspath(place))  # noqa: PTH100  (links in it stay: they may lead elsewhere after the next mount)
        resolved = Path(os.path.realpath(place))
        mount = files.holder(resolved, files.mounts(self.table))
        if mount is None:
            return KnownMedium(str(place), "", "")
        return KnownMedium(str(place), self.uuid(mount), str(resolved.relative_to(mount.point)))

    def places(self, media: Sequence[KnownMedium]) -> Iterator[Path]:
        """Where these files may be now, the most likely first: where they were, on the same filesystem elsewhere, on any other medium."""
        yield from (Path(medium.place) for medium in media)
        mounts = self.media()
        known = {medium.filesystem for medium in media} - {""}
        mounted = {mount.point: self.uuid(mount) for mount in mounts} if known else {}
        for mount in sorted(mounts, key=lambda mount: mounted.get(mount.point, "") not in known):
            for medium in media:
                if medium.path:
                    yield mount.point / medium.path
                yield mount.point / Path(medium.place).name


def _number(link: Path) -> str:
    device = link.stat().st_rdev
    return f"{os.major(device)}:{os.minor(device)}"
