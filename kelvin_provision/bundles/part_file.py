"""One file of a bundle on a medium, which may be hostile, damaged, or pulled out while it is read."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from kelvin_provision.errors import BundleInvalid, FileUnreadable, MediumGone, ProvisionError

GONE = {errno.ENODEV, errno.ENXIO, errno.ESTALE, errno.ENOMEDIUM, errno.ENOTCONN, errno.ESHUTDOWN, errno.ETIMEDOUT}
"""The medium is not there any more. EIO may also be one bad place of it."""
BLOCK = 1 << 20
"""Bytes of one read."""
_MISSING = {errno.ENOENT, errno.ENOTDIR}


def trouble(error: OSError, path: Path) -> ProvisionError:
    """What an error of the system says of a file or folder on a medium."""
    reason = (error.strerror or str(error)).lower()
    if error.errno == errno.ELOOP:
        return BundleInvalid(f"{path} is a link, and links are not followed on a medium")
    if error.errno in _MISSING:
        return MediumGone(f"{path} is not there")
    if error.errno in {errno.EACCES, errno.EPERM}:
        return FileUnreadable(f"{path}: {reason}")
    return _unread(error, path)


def size_of(path: Path) -> int:
    """As the filesystem says, without opening it. Raises as `trouble` says."""
    try:
        return path.stat().st_size
    except OSError as error:
        raise trouble(error, path) from error


def _unread(error: OSError, path: Path) -> MediumGone:
    """For a file that was opened: any error in reading it comes from the medium."""
    return MediumGone(f"{path} cannot be read: {(error.strerror or str(error)).lower()}")


class PartFile:
    """An open file. A read returns all that was asked for, or raises MediumGone.

    Nothing is mapped into memory: reading a map of a medium that is gone kills the process.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY)
        except OSError as error:
            if error.errno == errno.ENXIO:  # a socket, or a device without a driver
                raise BundleInvalid(f"{path} is not a regular file") from error
            raise trouble(error, path) from error
        try:
            self.status = os.fstat(self.descriptor)
        except OSError as error:
            self.close()
            raise _unread(error, path) from error
        if not stat.S_ISREG(self.status.st_mode):
            self.close()
            raise BundleInvalid(f"{path} is not a regular file")

    @property
    def size(self) -> int:
        return self.status.st_size

    @property
    def changed(self) -> bool:
        """Whether the file was written to since it was opened. Raises MediumGone."""
        try:
            now = os.fstat(self.descriptor)
        except OSError as error:
            raise trouble(error, self.path) from error
        return (now.st_size, now.st_mtime_ns) != (self.status.st_size, self.status.st_mtime_ns)

    def drop_cache(self) -> None:
        """So that what is read next comes from the medium, not from memory."""
        try:
            os.fsync(self.descriptor)
            os.posix_fadvise(self.descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.posix_fadvise(self.descriptor, 0, 0, os.POSIX_FADV_SEQUENTIAL)
        except OSError as error:
            if error.errno in GONE:
                raise trouble(error, self.path) from error

    def read(self, offset: int, size: int) -> bytes:
        try:
            data = os.pread(self.descriptor, size, offset)
        except OSError as error:
            raise _unread(error, self.path) from error
        if len(data) == size:
            return data
        buffer = bytearray(size)
        self.read_into(memoryview(buffer), offset)
        return bytes(buffer)

    def read_into(self, view: memoryview, offset: int) -> None:
        """Fills the whole view."""
        done = 0
        while done < len(view):
            try:
                count = os.preadv(self.descriptor, [view[done:]], offset + done)
            except OSError as error:
                raise _unread(error, self.path) from error
            if not count:
                raise MediumGone(f"{self.path} ends at {offset + done} bytes by now; it had {self.size}")
            done += count

    @property
    def answers(self) -> bool:
        """Whether its first bytes can still be read from the medium: then another place that cannot be read is a bad one."""
        try:
            os.posix_fadvise(self.descriptor, 0, BLOCK, os.POSIX_FADV_DONTNEED)
            return bool(os.pread(self.descriptor, 1, 0))
        except OSError:
            return False

    def close(self) -> None:
        with suppress(OSError):  # a medium that is gone says so once more; the descriptor is closed all the same
            os.close(self.descriptor)
