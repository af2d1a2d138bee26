"""The store's folders and the layout's two files, and reading one of its files from the disk itself."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from kelvin_provision.files.durable import CHUNK, private_folder, sync_folder, write_durably
from kelvin_provision.store import index


def prepare(root: Path) -> None:
    """Make what is missing; the store's lock must be held, so that no tag is lost."""
    images = root / "images"
    blobs = images / "blobs"
    for folder in (images, blobs, blobs / "sha256", blobs / "sha512", root / "partial", root / "aside", root / "in-use"):
        if not folder.is_dir():
            private_folder(folder)
            sync_folder(folder.parent)  # what is synced inside is only safe when the folder's own name is
    for name, data in (("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'), ("index.json", index.encode([]))):
        if not (images / name).exists():
            write_durably(images / name, [data])


def hash_of(descriptor: int, algorithm: str, told: Callable[[int], None]) -> str:
    """The digest of an open file, `algorithm:hex`. What the page cache has of it is dropped first: it is the disk that is asked.

    `told` hears of the bytes of every chunk.
    """
    hasher = hashlib.new(algorithm)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    while chunk := os.read(descriptor, CHUNK):
        hasher.update(chunk)
        told(len(chunk))
    return f"{algorithm}:{hasher.hexdigest()}"
