"""Leases: a file with a JSON document, held by flock, so that it counts exactly as long as its process lives."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from kelvin_provision.errors import Locked
from kelvin_provision.files.durable import read_own, writing_to
from kelvin_provision.store.layout import locked


@contextmanager
def lease(folder: Path, document: Any) -> Iterator[None]:
    """Hold a lease in this folder while the block runs."""
    name = f".{os.getpid()}-{os.urandom(6).hex()}"
    with writing_to(folder):
        descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    final = folder / name[1:]
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with writing_to(folder):
            os.write(descriptor, json.dumps(document).encode())
            (folder / name).rename(final)  # visible to others only once it is locked and complete
        yield
    finally:
        for path in (folder / name, final):
            path.unlink(missing_ok=True)
        os.close(descriptor)


def held(folder: Path) -> Iterator[Any]:
    """The documents of all leases whose process lives. The files of dead processes are removed."""
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue  # about to be renamed, or its process died before that: a few bytes
        with suppress(FileNotFoundError):
            try:
                with locked(path, create=False):
                    path.unlink()
            except Locked:
                yield json.loads(read_own(path))
