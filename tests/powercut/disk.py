"""A filesystem that can be cut off at any instant: it lies in a file on a filesystem that clones files."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20
FICLONE = 0x40049409
SHELF = 8 << 30
"""Bytes of the filesystem that clones; its file is sparse."""


@dataclass(frozen=True)
class Kind:
    make: tuple[str, ...]
    size: int
    options: tuple[str, ...] = ("loop",)


KINDS = {
    "ext4": Kind(("mkfs.ext4", "-q", "-F"), 96 * MIB),
    "xfs": Kind(("mkfs.xfs", "-q"), 300 * MIB, ("loop", "nouuid")),
    "btrfs": Kind(("mkfs.btrfs", "-q"), 256 * MIB),
}


def why_not(kinds: list[str]) -> str:
    """Why no such disk can be made here, or nothing."""
    if os.geteuid() != 0:
        return "mounting a filesystem needs root"
    if not os.access("/dev/loop-control", os.R_OK | os.W_OK):
        return "there are no loop devices"
    tools = ["mkfs.xfs", "mount", "unshare", *(KINDS[kind].make[0] for kind in kinds), *(["btrfs"] if "btrfs" in kinds else [])]
    if missing := [tool for tool in dict.fromkeys(tools) if not shutil.which(tool)]:
        return f"not installed: {', '.join(missing)}"
    allowed = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode == 0
    return "" if allowed else "a mount namespace of one's own is not allowed here"


class CannotMount(Exception):
    """The words of mount or mkfs."""


class CannotUnmount(Exception):
    """Something still has a file open there: a fault of ours."""


def _run(*words: str | Path, error: type[Exception] = CannotMount) -> None:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise error(f"{words[0]}: {(done.stderr or done.stdout).strip()}")


def _file_system(image: Path, kind: Kind, size: int) -> Path:
    with image.open("wb") as file:
        file.truncate(size)
    _run(*kind.make, image)
    return image


@contextmanager
def mounted(image: Path, place: Path, options: tuple[str, ...]) -> Iterator[Path]:
    place.mkdir(exist_ok=True)
    _run("mount", "-o", ",".join(options), image, place)
    try:
        device, kind = next(line.split()[-2:-4:-1] for line in reversed(_mounts()) if line.split()[4] == str(place))
        yield place
    finally:
        _run("umount", place, error=CannotUnmount)
        if kind == "btrfs":  # it would refuse the next one for having the same identity and being older
            subprocess.run(["btrfs", "device", "scan", "--forget", device], capture_output=True, check=False)


def _mounts() -> list[str]:
    return Path("/proc/self/mountinfo").read_text().splitlines()


@contextmanager
def shelf(folder: Path) -> Iterator[Path]:
    """A folder on an XFS of its own, which clones files."""
    image = _file_system(folder / "shelf.img", Kind(("mkfs.xfs", "-q", "-m", "reflink=1"), SHELF), SHELF)
    try:
        with mounted(image, folder / "shelf", ("loop",)) as place:
            yield place
    finally:
        image.unlink()


class Disk:
    """`place` is where it is mounted; `cut` leaves what a power cut at this instant would leave, as a file for `powered_up`."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.kind, self.folder = KINDS[kind], folder
        self.place = folder.parent / "disk"  # not on the shelf, which its loop device holds: the two would hold each other
        self.image = folder / "disk.img"

    @contextmanager
    def running(self) -> Iterator[Path]:
        _file_system(self.image, self.kind, self.kind.size)
        with mounted(self.image, self.place, self.kind.options):
            yield self.place

    def cut(self, name: str) -> Path:
        """One ioctl: the filesystem below holds back writes to the file while it shares its blocks with the new one."""
        target = self.folder / name
        with self.image.open("rb") as source, target.open("wb") as clone:
            fcntl.ioctl(clone, FICLONE, source.fileno())
        return target

    @contextmanager
    def powered_up(self, cut: Path) -> Iterator[Path]:
        """Mounted again, which replays its journal. The disk must not be running: the two have the same identity."""
        with mounted(cut, self.place, self.kind.options):
            yield self.place
