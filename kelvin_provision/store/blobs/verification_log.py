"""Which files this program hashed itself: an append-only list beside the layout.

A line counts only while the file still has the inode, size and time of change that it had when it was hashed. Losing lines costs
time (the file is hashed once more), never correctness; so a torn tail is skipped.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterable
from pathlib import Path

from kelvin_provision.files.durable import open_own, read_own, write_durably, writing_to

# The digest comes last: a line that a power cut tore off, or joined to the next one, has no complete digest at its end.
_LINE = re.compile(r"(\d+) (\d+) (\d+) (sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})")

Fingerprint = tuple[int, int, int]
"""Inode, size in bytes, time of last change in nanoseconds."""


def fingerprint(stats: os.stat_result) -> Fingerprint:
    """What identifies the content that was hashed."""
    return stats.st_ino, stats.st_size, stats.st_mtime_ns


class VerificationLog:
    """Several processes may append. `rewrite` needs the store's lock."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fingerprints: dict[str, Fingerprint] = {}
        self._read: Fingerprint | None = None
        self._mutex = threading.Lock()

    def contains(self, digest: str, file: Fingerprint) -> bool:
        """Whether exactly this file was verified."""
        with self._mutex:
            self._refresh()
            return self._fingerprints.get(digest) == file

    def add(self, digest: str, file: Fingerprint) -> None:
        """Record a file that is verified and synced. One append, so that two writers never mix."""
        line = "\n{} {} {} {}\n".format(*file, digest)
        with writing_to(self._path):
            descriptor = open_own(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            try:
                os.write(descriptor, line.encode())
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)

    def rewrite(self, digests: Iterable[str]) -> None:
        """Keep only these digests."""
        with self._mutex:
            self._refresh()
            kept = [(digest, self._fingerprints[digest]) for digest in sorted(digests) if digest in self._fingerprints]
            write_durably(self._path, ("{} {} {} {}\n".format(*file, digest).encode() for digest, file in kept))

    def _refresh(self) -> None:
        try:
            stats = self._path.lstat()
            if self._read == fingerprint(stats):
                return
            text = read_own(self._path).decode("ascii", "replace")
        except OSError:
            # It does not exist, is no file, or a link. Writing it says so; reading goes on without it.
            self._fingerprints, self._read = {}, None
            return
        fingerprints: dict[str, Fingerprint] = {}
        for line in text.splitlines():
            if match := _LINE.fullmatch(line):
                fingerprints[match[4]] = (int(match[1]), int(match[2]), int(match[3]))
        self._fingerprints, self._read = fingerprints, fingerprint(stats)
