"""A device that nothing has mounted is mounted to be looked at: read-only, in a folder that only root can enter, and never for longer."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kelvin_provision.errors import MediumGone, PermissionRefused, UsageRefused
from kelvin_provision.files import mounts as files
from kelvin_provision.files.durable import private_folder
from kelvin_provision.media.arrivals import PLACES
from kelvin_provision.media.mounts import Mounts, may_be_medium

KINDS = ("vfat", "exfat", "iso9660", "udf", "ntfs3", "ext4")
"""Filesystems that are tried, in this order, and no other: a stranger chooses which driver of the kernel reads his medium."""
_OPTIONS = "ro,nosuid,nodev,noexec"
_MORE = {"ext4": ",noload"}
"""Without it, a journal would be replayed, which writes."""
_PATIENCE = 60.0


@contextmanager
def mounted(place: Path, mounts: Mounts | None = None, places: Path = PLACES) -> Iterator[Path]:
    """The folder of a medium for the block: the place itself, where its device is mounted already, or where it is mounted for the block.

    Raises UsageRefused for what is no medium, MediumGone for a device that is gone or cannot be read, PermissionRefused.
    """
    try:
        status = place.stat()
    except OSError as error:
        raise MediumGone(f"{place} is not there") from error
    if stat.S_ISDIR(status.st_mode):
        yield place
        return
    number = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
    table = [mount for mount in files.mounts((mounts or Mounts()).table) if _is_of(mount, place, number)]
    if any(mount.point == Path("/") for mount in table) or not (stat.S_ISBLK(status.st_mode) or table):
        raise UsageRefused(f"{place} is neither the device of a medium nor a folder", hint="name a device such as /dev/sdb1, or a folder")
    there = next((mount.point for mount in table if may_be_medium(mount)), None)
    if there is not None:
        yield there
        return
    folder = places / place.name
    _mount(place, folder)
    try:
        yield folder
    finally:
        _unmount(folder)


def _is_of(mount: files.Mount, place: Path, number: str) -> bool:
    return mount.device == number or mount.source == str(place)


def _mount(device: Path, folder: Path) -> None:
    """Raises MediumGone, PermissionRefused."""
    _unmount(folder)  # of a process that was killed
    if os.geteuid() != 0:
        raise PermissionRefused(f"no permission to mount {device}")
    private_folder(folder)
    for kind in KINDS:
        if _run("mount", "-t", kind, "-o", _OPTIONS + _MORE.get(kind, ""), str(device), str(folder)) == 0:
            return
    raise MediumGone(f"{device} has none of the filesystems {', '.join(KINDS)}, or cannot be read")


def _unmount(folder: Path) -> None:
    """At once where it can be, else as soon as nothing uses it."""
    while os.path.ismount(folder):
        if _run("umount", str(folder)) and _run("umount", "-l", str(folder)):
            break
    with suppress(OSError):
        folder.rmdir()


def _run(*words: str) -> int:
    with suppress(subprocess.TimeoutExpired, FileNotFoundError):
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE, check=False)
        return done.returncode
    return 1
