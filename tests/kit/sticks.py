"""A stick with FAT32 (fusefat over a file) that can be inserted, and pulled out while it is read."""

import os
import shutil
import struct
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.kit.waiting import until

needs_fat = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("fusefat", "mkfs.vfat"))) or not Path("/dev/fuse").exists(),
    reason="fusefat and dosfstools are needed, and root",
)


class Stick:
    """`folder` is where it is mounted."""

    def __init__(self, place: Path, mebibytes: int = 64) -> None:
        self.folder, self._image = place / "mounted", place / "stick.img"
        self.folder.mkdir(parents=True)
        with self._image.open("wb") as file:
            file.truncate(mebibytes << 20)
        # Large clusters, which are quick; FAT32 although it is small.
        subprocess.run(["mkfs.vfat", "-F", "32", "-s", "32", str(self._image)], check=True, capture_output=True)
        self._process: subprocess.Popen | None = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.pull()

    def insert(self, *, writable: bool = False) -> None:
        mode = ["-o", "rw+" if writable else "ro"]
        words = ["fusefat", "-f", *mode, str(self._image), str(self.folder)]
        self._process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: os.path.ismount(self.folder))

    def pull(self) -> None:
        """At once, also while a process reads; the mount is detached, and ends with the last file that is open in it."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None
            subprocess.run(["umount", "-l", str(self.folder)], check=False, capture_output=True)  # a dead one may be gone already

    def cut(self, mebibytes: int) -> None:
        """It has less than its filesystem says, as sticks do that lie about their size."""
        os.truncate(self._image, mebibytes << 20)


def write_stick(image: Path, paths: Iterable[Path], mebibytes: int = 64) -> Path:
    """What a stick has that was bought: a table with one partition, and FAT32 with these files in it. Needs mtools."""
    first, sectors = 2048, mebibytes << 11
    entry = struct.pack("<B3sB3sII", 0, b"\xfe\xff\xff", 0x0C, b"\xfe\xff\xff", first, sectors - first)
    with image.open("wb") as file:
        file.truncate(sectors << 9)
        file.write(entry.rjust(446 + len(entry), b"\0").ljust(510, b"\0") + b"\x55\xaa")
    words = ["mkfs.vfat", "-F", "32", "-n", "KELVIN", "--offset", str(first), str(image), str((sectors - first) // 2)]
    subprocess.run(words, check=True, capture_output=True)
    subprocess.run(["mcopy", "-i", f"{image}@@{first << 9}", *paths, "::"], check=True, env={**os.environ, "MTOOLS_SKIP_CHECK": "1"})
    return image
