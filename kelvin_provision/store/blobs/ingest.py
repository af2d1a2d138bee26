"""Ingesting a blob that the container runtime on this machine has already: hard-linked where that is possible, else copied.

The runtime's file is only read. The file that is hashed and the one that is linked are one open file, so nothing can be swapped in between.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from kelvin_provision.errors import DigestMismatch, Locked, TransferStopped
from kelvin_provision.files.durable import CHUNK, rename_durably, sync_folder
from kelvin_provision.files.hashing import Hasher
from kelvin_provision.refs import Descriptor

if TYPE_CHECKING:
    from kelvin_provision.store.blobs.partial import Partial
    from kelvin_provision.store.store import Store

Stop = Callable[[], bool]


def ingest(store: Store, blob: Descriptor, file: BinaryIO, stop: Stop) -> bool:
    """Store a blob from an open file or pipe; False when its content is wrong or unreadable, or another process is storing it now.

    A partial download stays as it is until the whole file was verified. Raises NoSpace, TransferStopped.
    """
    # A mismatch is that of a partial that was wrong before, or of a pipe: it is quarantined, and the blob is downloaded.
    with suppress(Locked, DigestMismatch, OSError), store.partial(blob) as partial:
        return store.drop_partial_if_complete(blob) or _link(store, blob, file, stop) or _copy(partial, file, stop)
    return False


def _link(store: Store, blob: Descriptor, file: BinaryIO, stop: Stop) -> bool:
    """False for a pipe, and where linking is not possible. Raises DigestMismatch: then the file must not be copied either."""
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return False
    if not matches(blob, file, stop):
        raise DigestMismatch(f"{blob.digest}: the container runtime's copy has other content")
    os.fsync(file.fileno())
    return store.link(blob, file.fileno())


def matches(blob: Descriptor, file: BinaryIO, stop: Stop) -> bool:
    """Whether an open file has this content, from its first byte on."""
    if os.fstat(file.fileno()).st_size != blob.size:
        return False
    hasher = Hasher.like(blob.digest)
    while chunk := file.read(CHUNK):
        _check_stop(blob, stop)
        hasher.update(chunk)
    return hasher.digest == blob.digest


def _copy(partial: Partial, file: BinaryIO, stop: Stop) -> bool:
    """From the partial's offset on; a pipe cannot seek there, so its first bytes are read and dropped."""
    skip = partial.offset
    if file.seekable():
        file.seek(skip)
        skip = 0
    while chunk := file.read(CHUNK):
        _check_stop(partial.blob, stop)
        remaining, skip = chunk[skip:], max(skip - len(chunk), 0)
        partial.write(remaining)
    partial.commit()
    return True


def _check_stop(blob: Descriptor, stop: Stop) -> None:
    if stop():
        raise TransferStopped(f"{blob.digest}: stopped; the partial download is kept")


def link(descriptor: int, target: Path) -> bool:
    """Hard-link an open file; False where that is not possible: another filesystem, no permission, or a file that has no name any more."""
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # With a folder's descriptor this is linkat(2), which follows /proc's link to the file itself.
        os.link(f"/proc/self/fd/{descriptor}", target.name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=True)
    except OSError:
        return False
    finally:
        os.close(folder)
    sync_folder(target.parent)
    return True


def sharable(own: Path, file: BinaryIO) -> bool:
    """Whether an open file can take the place of our own: another file, on the same filesystem, and ours is no link to a third one."""
    try:
        theirs, ours = os.fstat(file.fileno()), own.stat()
    except OSError:
        return False
    apart = theirs.st_ino != ours.st_ino and ours.st_nlink == 1
    return stat.S_ISREG(theirs.st_mode) and theirs.st_dev == ours.st_dev and theirs.st_size == ours.st_size and apart


def link_over(descriptor: int, target: Path, on_linked: Callable[[os.stat_result], None]) -> bool:
    """As `link`, in place of a file that is there; `on_linked` is called before that one is gone. The caller holds the store's lock."""
    with suppress(OSError):
        os.fsync(descriptor)
        temporary = target.with_name(f".{target.name}.link")
        temporary.unlink(missing_ok=True)
        if link(descriptor, temporary):
            on_linked(os.fstat(descriptor))
            rename_durably(temporary, target)
            return True
    return False
