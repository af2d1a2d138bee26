"""Members of a tar archive that is written by hand: the same name and length give the same bytes."""

from __future__ import annotations

import re
import tarfile

BLOCK = tarfile.BLOCKSIZE
END = bytes(2 * BLOCK)
"""What every archive ends with."""
_SHORT = 100
"""Bytes of a name that its header has itself."""


def header(name: str, length: int) -> bytes:
    """Without date and owner. In the GNU format, as a layer may have more than 8 GiB and the path of a sha512 more than 100 characters."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = length, 0o444
    return info.tobuf(tarfile.GNU_FORMAT)


def name_and_size(header: bytes) -> tuple[bytes, int]:
    """What the header of a member with a short name says; a size of -1 if it is none."""
    digits = header[124:136].rstrip(b"\0 ")
    size = int(digits, 8) if re.fullmatch(rb"[0-7]{1,12}", digits) and header[257:262] == b"ustar" else -1
    return header[:100].rstrip(b"\0"), size


def header_size(name: str) -> int:
    """Of a name in ASCII."""
    return BLOCK if len(name) <= _SHORT else 2 * BLOCK + whole(len(name) + 1)


def whole(length: int) -> int:
    """A length with its padding: whole blocks."""
    return -(-length // BLOCK) * BLOCK


def padding(length: int) -> bytes:
    return bytes(-length % BLOCK)


def blob_path(digest: str) -> str:
    """In an OCI image layout."""
    return f"blobs/{digest.replace(':', '/')}"
