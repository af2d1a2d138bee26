"""Small files that this box leaves on a medium, beside a bundle that it imported. A medium may be hostile, full, or gone by then.

They are a courtesy: nothing depends on them, and nothing fails without them. What must never happen is that a medium makes the box write
somewhere else, so links on it are not followed, and the folder that was opened must be on the filesystem of a medium.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from kelvin_provision.files import mounts as files
from kelvin_provision.media.mounts import Mounts

_LINKS = 40
"""Links that are followed outside media, as the kernel does."""
_MODE = 0o644


def leave(folder: Path, contents: Mapping[str, bytes], state_dir: Path, mounts: Mounts | None = None) -> tuple[Path, ...]:
    """Write these files into this folder; returns those that are there. None where the folder is on no medium, or cannot be written."""
    left = []
    with suppress(OSError), _opened(folder, state_dir, mounts or Mounts()) as descriptor:
        for name, data in contents.items():
            _write(descriptor, name, data)
            left.append(folder / name)
    return tuple(left)


@contextmanager
def _opened(folder: Path, state_dir: Path, mounts: Mounts) -> Iterator[int]:
    """A descriptor of the folder, which is on a medium and not on a filesystem of this box. Raises OSError."""
    media = {mount.device for mount in mounts.media()} - {_number(os.stat(state_dir).st_dev)}  # noqa: PTH116  (as below)
    path = _without_links(folder, media, mounts)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if _number(os.fstat(descriptor).st_dev) not in media:  # whatever the medium answered a moment ago
            raise NotADirectoryError(f"{path} is on no medium")
        yield descriptor
    finally:
        os.close(descriptor)


def _without_links(folder: Path, media: Collection[str], mounts: Mounts) -> Path:
    """The path with the links of this box resolved. Raises NotADirectoryError for a link that is on a medium."""
    table = files.mounts(mounts.table)
    path = Path(os.path.abspath(folder))  # noqa: PTH100  (links are looked at one by one)
    for _ in range(_LINKS):
        link = next((prefix for prefix in (*reversed(path.parents), path) if prefix.is_symlink()), None)
        if link is None:
            return path
        mount = files.holder(link.parent, table)
        if mount is None or mount.device in media:
            break
        path = Path(os.path.abspath(link.parent / link.readlink() / path.relative_to(link)))  # noqa: PTH100
    raise NotADirectoryError(f"{folder} leads over a link on a medium")


def _number(device: int) -> str:
    return f"{os.major(device)}:{os.minor(device)}"


def _write(folder: int, name: str, data: bytes) -> None:
    """Whole or not at all, also after a power cut; what has the name, such as a link, is replaced and never followed. Raises OSError."""
    temporary = f".{name}.new"
    with suppress(FileNotFoundError):
        os.unlink(temporary, dir_fd=folder)  # of an import that was killed
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE, dir_fd=folder)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise
    os.fsync(folder)
