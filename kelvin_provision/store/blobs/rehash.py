"""Reading stored blobs from the disk and hashing them again. Changes nothing."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from kelvin_provision.events import Advanced, Finished, Progress, Started
from kelvin_provision.files.durable import CHUNK
from kelvin_provision.files.hashing import Hasher
from kelvin_provision.refs import Descriptor

READ = 1 << 20
"""Bytes per read; while they are hashed, other threads run."""
WORKERS = 2
"""Hashing releases the interpreter's lock, so two files at a time use two cores."""
TASK = "stored images"


def digest_on_disk(descriptor: int, algorithm: str, on_read: Callable[[int], None]) -> str:
    """The digest of an open file, `algorithm:hex`. Its pages are dropped from the page cache first, so that the disk is read.

    `on_read` is called with the number of bytes of every chunk.
    """
    hasher = Hasher(algorithm)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    while chunk := os.read(descriptor, CHUNK):
        hasher.update(chunk)
        on_read(len(chunk))
    return hasher.digest


def rehash(blobs: Iterable[Descriptor], path: Callable[[Descriptor], Path], progress: Progress, stop: Callable[[], bool]) -> dict[str, str]:
    """What is wrong with each corrupt blob, by digest. Ends early, with what was found so far, once `stop` is true."""
    largest_first = sorted({blob.digest: blob for blob in blobs}.values(), key=lambda blob: -blob.size)  # so that both workers end together
    work: queue.SimpleQueue[Descriptor] = queue.SimpleQueue()
    for blob in largest_first:
        work.put(blob)
    total, done, corrupt, lock = sum(blob.size for blob in largest_first), 0, {}, threading.Lock()

    def advance(count: int) -> None:
        nonlocal done
        with lock:
            done += count
            progress(Advanced(TASK, done, total))

    def worker() -> None:
        buffer = memoryview(bytearray(READ))
        while not stop():
            try:
                blob = work.get_nowait()
            except queue.Empty:
                return
            defect = _defect(blob, path(blob), buffer, advance, stop)
            if defect:
                corrupt[blob.digest] = defect

    progress(Started(TASK, "hashing", total))
    threads = [threading.Thread(target=worker, name=f"hash-{number}", daemon=True) for number in range(min(WORKERS, len(largest_first)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    progress(Finished(TASK, "hashed", f"{len(corrupt)} corrupt" if corrupt else "no errors"))
    return corrupt


def _defect(blob: Descriptor, path: Path, buffer: memoryview, advance: Callable[[int], None], stop: Callable[[], bool]) -> str:
    """Why the content does not match the digest, or nothing."""
    hasher = Hasher.like(blob.digest)
    try:
        with path.open("rb", buffering=0) as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
            while (count := file.readinto(buffer)) and not stop():
                hasher.update(buffer[:count])
                advance(count)
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {(error.strerror or str(error)).lower()}"
    if hasher.size != blob.size and not stop():
        return f"has {hasher.size} of {blob.size} bytes"
    return "" if stop() or hasher.digest == blob.digest else f"has the content of {hasher.short_digest}"
