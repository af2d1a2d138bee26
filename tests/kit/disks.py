"""Small filesystems of a test's own."""

import contextlib
import os
import shutil
import subprocess

import pytest

needs_mount = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="a filesystem of one's own needs root")


def _mount(*words):
    """Where that is not allowed, the test is skipped."""
    try:
        subprocess.run(["mount", *words], check=True, capture_output=True)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"mounting is not allowed here: {error.stderr.decode().strip()}")


@contextlib.contextmanager
def tmpfs(place, size):
    """A tmpfs at `place`, which is made if it is missing."""
    place.mkdir(exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(place))
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def resize(place, size):
    subprocess.run(["mount", "-o", f"remount,size={size}", str(place)], check=True)


def fill(disk):
    with (disk / "filler").open("ab", buffering=0) as file:
        for size in (1 << 16, 4096, 512, 1):
            with contextlib.suppress(OSError):
                while file.write(b"x" * size) == size:
                    pass


def read_only(disk):
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)


@contextlib.contextmanager
def ext4(place, size, *, block):
    """An ext4 of so many bytes with blocks of `block` bytes at `place`. Where that is not possible, the test is skipped."""
    if not shutil.which("mkfs.ext4"):
        pytest.skip("there is no mkfs.ext4")
    place.mkdir(exist_ok=True)
    image = place.with_name(f"{place.name}.img")
    with image.open("wb") as file:
        file.truncate(size)
    subprocess.run(["mkfs.ext4", "-q", "-b", str(block), "-m", "0", str(image)], check=True, capture_output=True)
    _mount("-o", "loop", str(image), str(place))
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
        image.unlink()


def leave(disk, count):
    """Fill the disk but for so many bytes."""
    filler = disk / "filler"
    filler.unlink(missing_ok=True)
    os.sync()
    fill(disk)
    os.truncate(filler, max(filler.stat().st_size - count, 0))
    os.sync()


def bytes_below(folder):
    """Of all files in it, while they come, get other names and go."""
    count = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            count += path.stat().st_size if path.is_file() else 0
    return count
