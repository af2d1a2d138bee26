"""The files of a bundle on the medium: written under other names, which they lose when all is there and right."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import accumulate
from pathlib import Path

from kelvin_provision.errors import CannotWrite, Locked
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.durable import open_own, sync_folder, writing_to

_OPEN = 4
"""Parts that stay open beside the first one and the one in use; a process may have a thousand files, and so may a bundle."""
SYNCED = 64 << 20
"""Bytes after which the medium is waited for: progress is that of the medium then, and not that of memory."""


@dataclass(frozen=True)
class Place:
    """A folder of the medium, and the name of the bundle in it."""

    folder: Path
    name: str

    def final(self, number: int, count: int) -> Path:
        return self.folder / f"{self.name}.kpb{f'.{number:03}' if count > 1 else ''}"

    def unfinished(self, number: int, count: int) -> Path:
        """Begins with a dot, so that the file is not found as a bundle."""
        return self.folder / f".{self.final(number, count).name}.unfinished"

    def files(self) -> tuple[Path, ...]:
        """The files that are there under this name, whole or in parts."""
        return self._matching(rf"{re.escape(self.name)}\.kpb(?:\.[0-9]{{3}})?")

    def others(self, count: int) -> tuple[Path, ...]:
        """What a bundle of this name had when it had another number of parts, and what was left unfinished then."""
        mine = {path for number in range(1, count + 1) for path in (self.final(number, count), self.unfinished(number, count))}
        unfinished = self._matching(rf"\.{re.escape(self.name)}\.kpb(?:\.[0-9]{{3}})?\.unfinished")
        return tuple(path for path in (*self.files(), *unfinished) if path not in mine)

    def _matching(self, pattern: str) -> tuple[Path, ...]:
        with _to(self.folder), os.scandir(self.folder) as entries:
            names = sorted(entry.name for entry in entries if entry.is_file(follow_symlinks=False))
        return tuple(self.folder / name for name in names if re.fullmatch(pattern, name))


class OutputPart:
    """One part, open."""

    def __init__(self, path: Path, size: int, device: int) -> None:
        """`device` is that of the folder: once the medium is pulled out, the same path is on a disk of the desk."""
        self.path = path
        self.size = size
        with _to(path):
            self.descriptor = open_own(path, os.O_RDWR | os.O_CREAT)
            _refuse_other_medium(self.descriptor, path, device)
            _refuse_second(self.descriptor, path)
            self._before = os.fstat(self.descriptor).st_size
        self._unsynced = 0
        self.drop_cache()

    def drop_cache(self) -> None:
        """What is read next comes from the medium."""
        with _to(self.path):
            os.fsync(self.descriptor)
            os.posix_fadvise(self.descriptor, 0, 0, os.POSIX_FADV_DONTNEED)

    def put(self, offset: int, view: memoryview) -> bool:
        """Written only where the medium has something else; False where it has not."""
        if offset + len(view) <= self._before and self._has(offset, view):
            return False
        with _to(self.path):
            done = 0
            while done < len(view):
                done += os.pwrite(self.descriptor, view[done:], offset + done)
            self._unsynced += len(view)
            if self._unsynced >= SYNCED:
                os.fdatasync(self.descriptor)
                self._unsynced = 0
        return True

    def _has(self, offset: int, view: memoryview) -> bool:
        try:
            return os.pread(self.descriptor, len(view), offset) == bytes(view)
        except OSError:
            return False  # a place that cannot be read may still be written

    def read_into(self, view: memoryview, offset: int) -> None:
        """Zeros where the file ends before."""
        done = 0
        while done < len(view):
            count = os.preadv(self.descriptor, [view[done:]], offset + done)
            if not count:
                view[done:] = bytes(len(view) - done)
                return
            done += count

    def finish(self) -> None:
        with _to(self.path):
            if os.fstat(self.descriptor).st_size != self.size:
                os.ftruncate(self.descriptor, self.size)
            os.fsync(self.descriptor)

    def close(self) -> None:
        """An error is ignored: what was written was synced before, or has failed already."""
        with suppress(OSError):
            os.close(self.descriptor)


class Output:
    """All parts as one range of absolute offsets. `kept` bytes were there already and right, `written` were not.

    Few are open at a time; the first one stays open, and with it the lock on the place.
    """

    def __init__(self, paths: Sequence[Path], sizes: Sequence[int]) -> None:
        self.paths = tuple(paths)
        self._sizes = tuple(sizes)
        self._starts = (0, *accumulate(sizes))
        self._device = _device_of(paths[0].parent)
        self._open: dict[int, OutputPart] = {}
        self.kept = self.written = 0

    def lock(self) -> None:
        """For this process, until it is closed. Raises Locked."""
        self._part(0)

    def put(self, offset: int, view: memoryview) -> None:
        for number, start, begin, end in self._pieces(offset, len(view)):
            if self._part(number).put(start, view[begin:end]):
                self.written += end - begin
            else:
                self.kept += end - begin

    def read_into(self, offset: int, view: memoryview) -> None:
        for number, start, begin, end in self._pieces(offset, len(view)):
            with _to(self.paths[number]):
                self._part(number).read_into(view[begin:end], start)

    def finish(self) -> None:
        for number in range(len(self.paths)):
            self._part(number).finish()

    def drop_cache(self) -> None:
        for part in self._open.values():
            part.drop_cache()

    def close(self) -> None:
        for part in self._open.values():
            part.close()
        self._open.clear()

    def _part(self, number: int) -> OutputPart:
        if number not in self._open:
            for other in [other for other in self._open if other][: max(len(self._open) - _OPEN, 0)]:
                self._open.pop(other).close()
            self._open[number] = OutputPart(self.paths[number], self._sizes[number], self._device)
        return self._open[number]

    def _pieces(self, offset: int, size: int) -> Iterator[tuple[int, int, int, int]]:
        """The part, the offset in it, and from where to where in the view."""
        for number, (start, stop) in enumerate(zip(self._starts, self._starts[1:], strict=False)):
            first, last = max(start, offset), min(stop, offset + size)
            if first < last:
                yield number, first - start, first - offset, last - offset


def _device_of(folder: Path) -> int:
    with _to(folder):
        return folder.stat().st_dev


def _refuse_other_medium(descriptor: int, path: Path, device: int) -> None:
    """Raises CannotWrite, and leaves nothing behind."""
    if _device_of(path.parent) != device:
        if not os.fstat(descriptor).st_size:
            path.unlink()
        os.close(descriptor)
        raise CannotWrite(
            f"the medium at {path.parent} was pulled out", hint="insert it again; the same command continues where it stopped"
        )


def _refuse_second(descriptor: int, path: Path) -> None:
    """Raises Locked while another process writes the file. On a filesystem without locks nothing is refused."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise Locked(f"{path} is being written by another process", hint="wait until that has ended") from None
    except OSError:
        return


def allocated(path: Path, size: int) -> int:
    """How many bytes of a file of this size have their space already."""
    try:
        status = path.lstat()
    except OSError:
        return 0
    return min(status.st_blocks * 512, size) if stat.S_ISREG(status.st_mode) else 0


def publish(renames: Sequence[tuple[Path, Path]], others: Sequence[Path], folder: Path) -> None:
    """The last part first: the first one has the table of contents, and counts for the bundle. Then what is in its place goes."""
    with _to(folder):
        for unfinished, final in reversed(renames):
            unfinished.replace(final)
        sync_folder(folder)
        for path in others:
            with suppress(FileNotFoundError):
                path.unlink()
        sync_folder(folder)


@contextmanager
def _to(path: Path) -> Iterator[None]:
    """Raises NoSpace, PermissionRefused, CannotWrite."""
    with writing_to(path):
        try:
            yield
        except OSError as error:
            if error.errno == errno.EFBIG:
                text = f"the filesystem of {path} takes no file as large as that"
                raise CannotWrite(text, hint="write parts that fit: --part-size 4092MiB") from error
            raise
