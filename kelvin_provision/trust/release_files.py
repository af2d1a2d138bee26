"""Packages of this program as files: what is signed of one is its digest, because a signature is made of at most 16 MiB."""

from __future__ import annotations

import json
import re
from pathlib import Path

from kelvin_provision.errors import FileUnreadable, ReleaseInvalid
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.durable import read_chunks
from kelvin_provision.files.hashing import Hasher

SELF_EXTRACTING = b"#!/bin/sh\n# kelvin-provision, self-extracting: "
DEBIAN = b"!<arch>\ndebian-binary "
_ABOUT = re.compile(rb"self-extracting: version (\S+), architecture (\S+)\n")


@dataclass(frozen=True)
class ReleaseFile:
    """`version` and `architecture` as the file says; empty for a Debian package, where dpkg knows."""

    path: Path
    size: int
    digest: str
    version: str = ""
    architecture: str = ""

    @property
    def statement(self) -> bytes:
        """What is signed. Not the name of the file, which may be another one on a stick."""
        return json.dumps({"schema": 1, "sha256": self.digest, "size": self.size}, sort_keys=True, separators=(",", ":")).encode()


def is_release(path: Path) -> bool:
    """Whether it begins like a package of this program; a request never does. Raises FileUnreadable."""
    return path.is_file() and _head(path).startswith((SELF_EXTRACTING, DEBIAN))


def release_file(path: Path) -> ReleaseFile:
    """Reads every byte. Raises FileUnreadable, ReleaseInvalid."""
    head = _head(path)
    if not head.startswith((SELF_EXTRACTING, DEBIAN)):
        raise ReleaseInvalid(f"{path} is no package of this program: neither its self-extracting file nor a Debian package")
    about = _ABOUT.search(head)
    hasher = Hasher()
    try:
        for chunk in read_chunks(path):
            hasher.update(chunk)
    except OSError as error:
        raise FileUnreadable(f"{path}: {(error.strerror or str(error)).lower()}") from error
    version, architecture = (text.decode(errors="replace") for text in about.groups()) if about else ("", "")
    return ReleaseFile(path, hasher.size, hasher.hex, version, architecture)


def _head(path: Path) -> bytes:
    """Of a regular file: a pipe would be waited for, and cannot be read a second time."""
    if path.exists() and not path.is_file():
        raise FileUnreadable(f"{path}: not a regular file")
    try:
        with path.open("rb") as file:
            return file.read(200)
    except OSError as error:
        raise FileUnreadable(f"{path}: {(error.strerror or str(error)).lower()}") from error
