"""Taking a blob from somebody on this box who has it already: a second name for the same file where that can be, else a copy.

The other's file is only read. What we hashed and what gets our name are one open file, so nothing can be put in its place in between.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from kelvin_provision.errors import DigestMismatch, Locked, TransferStopped
from kelvin_provision.files.durable import CHUNK, sync_folder
from kelvin_provision.refs import Descriptor

if TYPE_CHECKING:
    from kelvin_provision.store.layout import Store
    from kelvin_provision.store.partial import Partial

Stop = Callable[[], bool]


def take(store: Store, blob: Descriptor, file: BinaryIO, stop: Stop) -> bool:
    """Bring a blob in from an open file or pipe; False when its bytes are wrong or cannot be read, or another brings it in just now.

    A partial download stays as it is until the whole file was found right. Raises NoSpace, TransferStopped.
    """
    # A mismatch is that of a partial that was wrong before we came, or of a pipe: it is put aside, and fetched.
    with suppress(Locked, DigestMismatch, OSError), store.partial(blob) as partial:
        return store.settled(blob) or _linked(store, blob, file, stop) or _copied(partial, file, stop)
    return False


def _linked(store: Store, blob: Descriptor, file: BinaryIO, stop: Stop) -> bool:
    """False for a pipe, and where it cannot be. Raises DigestMismatch: then it is not to be copied either."""
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return False
    if not _right(blob, file, stop):
        raise DigestMismatch(f"{blob.digest}: what another keeps under this name are not its bytes")
    os.fsync(file.fileno())
    return store.adopt(blob, file.fileno())


def _right(blob: Descriptor, file: BinaryIO, stop: Stop) -> bool:
    if os.fstat(file.fileno()).st_size != blob.size:
        return False
    algorithm, _, want = blob.digest.partition(":")
    hasher = hashlib.new(algorithm)
    while chunk := file.read(CHUNK):
        _go_on(blob, stop)
        hasher.update(chunk)
    return hasher.hexdigest() == want


def _copied(partial: Partial, file: BinaryIO, stop: Stop) -> bool:
    """From where the partial ends; a pipe cannot be asked to begin there."""
    skip = partial.offset
    if file.seekable():
        file.seek(skip)
        skip = 0
    while chunk := file.read(CHUNK):
        _go_on(partial.blob, stop)
        rest, skip = chunk[skip:], max(skip - len(chunk), 0)
        partial.write(rest)
    partial.commit()
    return True


def _go_on(blob: Descriptor, stop: Stop) -> None:
    if stop():
        raise TransferStopped(f"{blob.digest}: stopped; what is here is kept")


def link(descriptor: int, target: Path) -> bool:
    """Give an open file a name; False where that cannot be: another filesystem, not ours to link, without a name by now."""
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # With a folder's descriptor it is linkat(2), which follows /proc's link to the file itself.
        os.link(f"/proc/self/fd/{descriptor}", target.name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=True)
    except OSError:
        return False
    finally:
        os.close(folder)
    sync_folder(target.parent)
    return True
