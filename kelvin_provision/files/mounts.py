"""The kernel's table of mounts, and which filesystem a path is on."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from kelvin_provision.fast_dataclass import dataclass

TABLE = Path("/proc/self/mountinfo")
_ESCAPED = re.compile(r"\\([0-7]{3})")
_FAT = {"vfat", "msdos", "fusefat"}


@dataclass(frozen=True)
class Mount:
    """A line of the table: what of a filesystem (`root`) is mounted where. `device` is its number, as `8:17`."""

    point: Path
    root: str
    device: str
    kind: str
    source: str


def text(table: Path = TABLE) -> str:
    """It changes with every mount and unmount; empty where it cannot be read."""
    with suppress(OSError):
        return table.read_text("utf-8", "surrogateescape")
    return ""


def mounts(table: Path = TABLE) -> tuple[Mount, ...]:
    """In the order of the table: a later mount hides an earlier one at the same place."""
    return tuple(filter(None, map(_mount, text(table).splitlines())))


def holder(path: Path, table: Iterable[Mount]) -> Mount | None:
    """The mount that has this path, without links in it."""
    holders = [mount for mount in table if path.is_relative_to(mount.point)]
    return max(reversed(holders), key=lambda mount: len(mount.point.parts)) if holders else None


def filesystem_type(path: Path, table: Path = TABLE) -> str:
    """As the kernel calls it, such as `ext4`; of FUSE the name behind `fuse.`. Empty where it does not tell."""
    try:
        mount = holder(path.resolve(), mounts(table))
    except OSError:
        return ""
    return mount.kind.removeprefix("fuse.") if mount else ""


def is_fat(kind: str) -> bool:
    """Whether its files have less than 4 GiB."""
    return kind in _FAT


def _mount(line: str) -> Mount | None:
    """See proc(5): fields before and after a lone hyphen."""
    before, _, after = line.partition(" - ")
    fields, more = before.split(" "), after.split(" ")
    if len(fields) < 6 or len(more) < 2:
        return None
    return Mount(Path(_plain(fields[4])), _plain(fields[3]), fields[2], more[0], _plain(more[1]))


def _plain(name: str) -> str:
    """Blanks, tabs, newlines and backslashes are written in octal."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 8)), name)
