"""Reads a copy that may be hostile: nothing of it is believed before every byte was compared with its table."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from kelvin_provision.errors import CopyInvalid, FileUnreadable
from kelvin_provision.leading.copy.contents import LONGEST_LINE, Contents, File, parse

_CHUNK = 1 << 20


@contextmanager
def opened(path: Path) -> Iterator[tuple[Contents, BinaryIO]]:
    """Its table, and the file at the first byte after it. Raises FileUnreadable, CopyInvalid, StateTooNew."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise FileUnreadable(f"{path}: {(error.strerror or str(error)).lower()}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileUnreadable(f"{path} is not a regular file")
    with os.fdopen(descriptor, "rb") as file:
        contents = parse(file.readline(LONGEST_LINE))
        yield contents, file


def verified(path: Path) -> Contents:
    """The table, after the whole file was compared with it. Raises as `opened`."""
    with opened(path) as (contents, file):
        for each in contents.files:
            for _ in chunks(file, each):
                pass
        if file.read(1):
            raise CopyInvalid(f"{path} has more than its table says")
    return contents


def chunks(file: BinaryIO, expected: File) -> Iterator[bytes]:
    """The next file. Raises CopyInvalid after its last byte, before it may be believed."""
    hasher, left = hashlib.sha256(), expected.size
    while left:
        chunk = file.read(min(left, _CHUNK))
        if not chunk:
            raise CopyInvalid(f"the copy ends in the middle of {expected.name}")
        hasher.update(chunk)
        left -= len(chunk)
        yield chunk
    if hasher.hexdigest() != expected.sha256:
        raise CopyInvalid(f"{expected.name} of the copy is damaged")
