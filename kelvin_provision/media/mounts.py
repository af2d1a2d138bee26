"""Which filesystem a place is on, and where the same medium is mounted now."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.ledger.reading.bundles import KnownMedium

_MOST = 64
"""Mounted media that are looked at; a node with pods has hundreds of mounts, which are none."""


@dataclass(frozen=True)
class Mount:
    """A line of mountinfo: what of a filesystem (`root`) is mounted where. `device` is its number, as `8:17`."""

    point: Path
    root: str
    device: str
    kind: str
    source: str

    @property
    def may_be_medium(self) -> bool:
        """A whole filesystem that is on a device, or that a program provides."""
        return self.root == "/" and (self.source.startswith("/dev/") or self.kind.startswith("fuse"))


@dataclass(frozen=True)
class Mounts:
    """What is mounted. Both paths may be others in a test."""

    table: Path = Path("/proc/self/mountinfo")
    by_uuid: Path = Path("/dev/disk/by-uuid")

    def text(self) -> str:
        """It changes with every mount and unmount; empty where it cannot be read."""
        with suppress(OSError):
            return self.table.read_text("utf-8", "surrogateescape")
        return ""

    def all(self) -> tuple[Mount, ...]:
        return tuple(filter(None, map(_mount, self.text().splitlines())))

    def media(self) -> tuple[Mount, ...]:
        """Whole filesystems that may be on a medium, each once."""
        mounts = self.all()
        own = {mount.device for mount in mounts if mount.point == Path("/")}
        candidates = {mount.device: mount for mount in mounts if mount.may_be_medium and mount.device not in own}
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
        holders = [mount for mount in self.all() if resolved.is_relative_to(mount.point)]
        if not holders:
            return KnownMedium(str(place), "", "")
        mount = max(holders, key=lambda holder: len(holder.point.parts))  # of two at one place the last: it hides the others
        return KnownMedium(str(place), self.uuid(_last(holders, mount)), str(resolved.relative_to(mount.point)))

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


def _last(holders: Sequence[Mount], like: Mount) -> Mount:
    return [holder for holder in holders if holder.point == like.point][-1]


def _number(link: Path) -> str:
    device = link.stat().st_rdev
    return f"{os.major(device)}:{os.minor(device)}"


def _mount(line: str) -> Mount | None:
    """See proc(5): fields before and after a lone hyphen."""
    before, _, after = line.partition(" - ")
    fields, more = before.split(" "), after.split(" ")
    if len(fields) < 6 or len(more) < 2:
        return None
    return Mount(Path(_plain(fields[4])), _plain(fields[3]), fields[2], more[0], _plain(more[1]))


def _plain(text: str) -> str:
    """Blanks, tabs, newlines and backslashes are written in octal."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
