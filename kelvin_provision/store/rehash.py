"""Reading stored blobs whole and hashing them again: two files at a time, since hashing runs beside Python. Touches nothing."""

from __future__ import annotations

import hashlib
import os
import queue
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from kelvin_provision.events import Advanced, Finished, Progress, Started
from kelvin_provision.refs import Descriptor

READ = 1 << 20
"""Bytes read at a time; while they are hashed, other threads run."""
AT_A_TIME = 2
TASK = "stored images"


def rehash(blobs: Iterable[Descriptor], path: Callable[[Descriptor], Path], progress: Progress, stop: Callable[[], bool]) -> dict[str, str]:
    """What is wrong with which blob, by digest; nothing for those that are right. Ends early, with what was found, once `stop` is true."""
    todo = sorted({blob.digest: blob for blob in blobs}.values(), key=lambda blob: -blob.size)  # the largest first: both end together
    work: queue.SimpleQueue[Descriptor] = queue.SimpleQueue()
    for blob in todo:
        work.put(blob)
    total, done, wrong, lock = sum(blob.size for blob in todo), 0, {}, threading.Lock()

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
            found = _wrong(blob, path(blob), buffer, advance, stop)
            if found:
                wrong[blob.digest] = found

    progress(Started(TASK, "hashing", total))
    threads = [threading.Thread(target=worker, name=f"hash-{number}", daemon=True) for number in range(min(AT_A_TIME, len(todo)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    progress(Finished(TASK, "hashed", f"{len(wrong)} wrong" if wrong else "all right"))
    return wrong


def _wrong(blob: Descriptor, path: Path, buffer: memoryview, advance: Callable[[int], None], stop: Callable[[], bool]) -> str:
    """Why the bytes are not those of the digest, or nothing."""
    algorithm, _, want = blob.digest.partition(":")
    hasher, size = hashlib.new(algorithm), 0
    try:
        with path.open("rb", buffering=0) as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
            while (count := file.readinto(buffer)) and not stop():
                hasher.update(buffer[:count])
                size += count
                advance(count)
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {(error.strerror or str(error)).lower()}"
    if size != blob.size and not stop():
        return f"has {size} of {blob.size} bytes"
    return "" if stop() or hasher.hexdigest() == want else f"holds the bytes of {algorithm}:{hasher.hexdigest()[:12]}"
