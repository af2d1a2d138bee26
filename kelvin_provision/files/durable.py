"""Durable writes: a power cut leaves the whole new file or the whole old one."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kelvin_provision.errors import CannotWrite, NoSpace, OurBug, PermissionRefused, ProvisionError

CHUNK = 1 << 20
_WRONG_PLACE = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP, errno.ENXIO, errno.ENAMETOOLONG}
FAILING = {
    *(errno.EIO, errno.EROFS, errno.ESTALE, errno.EUCLEAN, errno.ENODEV, errno.ETIMEDOUT, errno.EREMOTEIO, errno.ENOTCONN),
    *(errno.ENOMEM, errno.EMFILE, errno.ENFILE),
}
"""A disk, a mount or a kernel in trouble, whatever file it is."""
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
_LOCAL = "choose a state directory on a local filesystem with --state-dir"


@contextmanager
def writing_to(path: Path) -> Iterator[None]:
    """Translates the OSError of a full, read-only or forbidden disk. Raises NoSpace, PermissionRefused, CannotWrite."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise NoSpace(f"no space left for {path}") from error
        if error.errno in {errno.EACCES, errno.EPERM}:
            raise PermissionRefused(f"no permission to write {path}") from error
        if error.errno in _NO_LOCKS:
            raise CannotWrite(f"the filesystem of {path} has no locks: {os.strerror(error.errno).lower()}", hint=_LOCAL) from error
        if error.errno in _WRONG_PLACE | FAILING:
            link = " (it is a link, and links are not followed there)" if path.is_symlink() else ""
            raise CannotWrite(f"cannot write {path}: {os.strerror(error.errno)}{link}") from error
        raise


def trouble_of_box(error: OSError) -> ProvisionError | None:
    """An error of the system that no place has translated, as what it says of this box; None when it may well be our bug."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return NoSpace(in_words(error))
    if error.errno in {errno.EACCES, errno.EPERM}:
        return PermissionRefused(in_words(error))
    return CannotWrite(in_words(error)) if error.errno in FAILING else None


@contextmanager
def system_errors() -> Iterator[None]:
    """Raises NoSpace, PermissionRefused or CannotWrite for an OSError that nothing below has translated, as `trouble_of_box` does."""
    try:
        yield
    except OSError as error:
        trouble = trouble_of_box(error)
        if trouble is None:
            raise
        raise trouble from error


def in_words(error: Exception) -> str:
    """One line for people: what is ours says it itself, the system names the file, and anything else is a bug."""
    if isinstance(error, OSError):
        text = (error.strerror or str(error)).lower()
        return f"{error.filename}: {text}" if error.filename else text
    return str(error) if isinstance(error, ProvisionError) else f"our bug: {type(error).__name__}: {error}".rstrip(": ")


def ours(error: Exception, mask: Callable[[str], str]) -> ProvisionError:
    """Any exception as an error of ours: as `trouble_of_box`, else our bug, whose text is masked."""
    if isinstance(error, ProvisionError):
        return error
    trouble = trouble_of_box(error) if isinstance(error, OSError) else None
    return trouble or OurBug(mask(in_words(error)))


def open_own(path: Path, flags: int) -> int:
    """Open a file of our own, created for its owner alone; returns a descriptor. Raises as `writing_to` does.

    Never through a link, which could be to anybody's file, and never something that is no file, such as a pipe that would block.
    """
    with writing_to(path):
        descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise CannotWrite(f"cannot write {path}: it is not a regular file")
    return descriptor


def read_own(path: Path) -> bytes:
    """The content of a file of our own, as `open_own` opens it. Raises OSError."""
    return read_regular(path, links=False)[0]


def read_regular(path: Path, most: int = -1, *, links: bool) -> tuple[bytes, os.stat_result]:
    """The content of a regular file, of at most so many bytes, and its status. Never waits, as a pipe would make it. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if links else os.O_NOFOLLOW))
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.ENXIO, "not a regular file", str(path))
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(most), status
    finally:
        os.close(descriptor)


def private_folder(path: Path) -> Path:
    """Create a folder, and its parents, that only its owner can enter."""
    with writing_to(path):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable: a rename survives a power cut only after this."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def rename_durably(source: Path, target: Path) -> None:
    """Rename a file whose bytes are synced already."""
    with writing_to(target):
        source.replace(target)
        sync_folder(target.parent)
        if source.parent != target.parent:
            sync_folder(source.parent)


def write_durably(path: Path, chunks: Iterable[bytes], *, mode: int = 0o600) -> None:
    """After it returns, a power cut leaves the new file; before, the old one."""
    import tempfile  # loads `random`, which reading commands do not need

    with writing_to(path):
        _refuse_to_replace(path)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                for chunk in chunks:
                    file.write(chunk)
                os.fchmod(file.fileno(), mode)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with suppress(FileNotFoundError):
                temporary.unlink()
            raise
        sync_folder(path.parent)


def overwrite(path: Path, data: bytes) -> None:
    """In place, for what means nothing after a crash: a rename would make the filesystem write it to disk each time. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        os.pwrite(descriptor, data, 0)
        os.ftruncate(descriptor, len(data))
    finally:
        os.close(descriptor)


def _refuse_to_replace(path: Path) -> None:
    """Raises CannotWrite for a device, a pipe or a socket: the rename would take its name, for root even that of /dev/null."""
    with suppress(FileNotFoundError):
        kind = stat.S_IFMT(os.lstat(path).st_mode)
        if kind not in {stat.S_IFREG, stat.S_IFLNK, stat.S_IFDIR}:
            raise CannotWrite(f"cannot write {path}: it is not a regular file")


def read_chunks(path: Path, size: int = CHUNK) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(size):
            yield chunk
