"""Which files we hashed ourselves: an append-only list beside the layout.

A line is believed only while the file still has the size, time of change and inode that it had when its bytes were
checked. Losing lines costs time (the file is hashed once more), never correctness; so a torn tail is simply skipped.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterable
from pathlib import Path

from kelvin_provision.files.durable import write_durably, writing_to

# The digest comes last: a line that a power cut tore off, or joined to the next one, has no complete digest at its end.
_LINE = re.compile(r"(\d+) (\d+) (\d+) (sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})")

Mark = tuple[int, int, int]
"""Inode, size in bytes, time of last change in nanoseconds."""


def mark_of(found: os.stat_result) -> Mark:
    """What identifies the bytes that were checked."""
    return found.st_ino, found.st_size, found.st_mtime_ns


class Record:
    """The list in `path`; several processes may append. `rewrite` wants the store's lock."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._marks: dict[str, Mark] = {}
        self._read: Mark | None = None
        self._mutex = threading.Lock()

    def knows(self, digest: str, mark: Mark) -> bool:
        """Whether we checked exactly this file."""
        with self._mutex:
            self._refresh()
            return self._marks.get(digest) == mark

    def add(self, digest: str, mark: Mark) -> None:
        """Remember a file whose bytes are checked and synced. One append, so that two writers never mix."""
        line = "\n{} {} {} {}\n".format(*mark, digest)
        with writing_to(self._path):
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                os.write(descriptor, line.encode())
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)

    def rewrite(self, digests: Iterable[str]) -> None:
        """Keep only these."""
        with self._mutex:
            self._refresh()
            kept = [(digest, self._marks[digest]) for digest in sorted(digests) if digest in self._marks]
            write_durably(self._path, ("{} {} {} {}\n".format(*mark, digest).encode() for digest, mark in kept))

    def _refresh(self) -> None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            self._marks, self._read = {}, None
            return
        if self._read == mark_of(found):
            return
        marks: dict[str, Mark] = {}
        for line in self._path.read_text("ascii", errors="replace").splitlines():
            if match := _LINE.fullmatch(line):
                marks[match[4]] = (int(match[1]), int(match[2]), int(match[3]))
        self._marks, self._read = marks, mark_of(found)
