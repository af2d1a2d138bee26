"""What is in a layer, as far as it is needed to find what is alike in another one.

Each member is its header, with the extended headers in front of it, and its content with the padding. A file that is not a tar, or one
that is not understood to its end, has one member more: the rest. Nothing depends on it but the size of a delta.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import BinaryIO, NamedTuple

from kelvin_provision.files.hashing import Hasher
from kelvin_provision.files.tar_members import BLOCK, whole

_LONG_NAME, _LONG_LINK, _PAX, _PAX_OF_ALL, _SPARSE = b"L", b"K", b"x", b"g", b"S"
_WITH_CONTENT = (b"0", b"\0", b"7", _SPARSE)
_NAMES = 1 << 20
"""Bytes of an extended header that are read: no name is longer."""
_CHUNK = 1 << 20
REST = b"\0"
"""The name of what is not understood, which no member can have."""


class Member(NamedTuple):
    """`start` of its headers, `data` of its content, and the `end` of that with its padding. `digest` is that of content and padding."""

    name: bytes
    start: int
    data: int
    end: int
    digest: bytes


class Layer(NamedTuple):
    """A plain layer in a file."""

    file: BinaryIO
    diff_id: str
    size: int
    members: list[Member]

    def bytes(self, offset: int, length: int) -> bytes:
        return os.pread(self.file.fileno(), length, offset)


def members(file: BinaryIO, size: int, stop: Callable[[], None]) -> list[Member]:
    result, at = list[Member](), 0
    while at < size:
        stop()
        member = _member(file, at, size)
        if member is None:
            break
        result.append(member)
        at = member.end
    if at < size and not _only_zeros(file, at, size):  # what ends an archive is like nothing else
        result.append(Member(REST, at, at, size, _digest(file, at, size)))
    return result


def _member(file: BinaryIO, start: int, size: int) -> Member | None:
    name, length, at = b"", -1, start
    while True:
        head = os.pread(file.fileno(), BLOCK, at)
        kind, own = head[156:157], _number(head[124:136])
        if own < 0 or not _is_header(head):
            return None
        at += BLOCK
        if kind in {_LONG_NAME, _PAX}:
            text = os.pread(file.fileno(), min(own, _NAMES), at)
            name, length = (text.rstrip(b"\0"), length) if kind == _LONG_NAME else _of_pax(text, name, length)
        if kind not in {_LONG_NAME, _LONG_LINK, _PAX, _PAX_OF_ALL}:
            break
        at += whole(own)
        if at >= size:
            return None
    extended = kind == _SPARSE and head[482]
    while extended:
        more = os.pread(file.fileno(), BLOCK, at)
        extended, at = len(more) == BLOCK and more[504], at + BLOCK
    content = (own if length < 0 else length) if kind in _WITH_CONTENT else 0
    end = at + whole(content)
    if end > size:
        return None
    return Member(name or _short_name(head), start, at, end, _digest(file, at, end) if content else b"")


def _is_header(head: bytes) -> bool:
    checksum = _number(head[148:156])
    return len(head) == BLOCK and checksum == sum(head) - sum(head[148:156]) + 8 * 0x20


def _number(field: bytes) -> int:
    """Octal, or of base 256 from 8 GiB on; -1 for anything else."""
    if field[:1] == b"\x80":
        return int.from_bytes(field[1:], "big")
    digits = field.rstrip(b"\0 ").lstrip(b" ")
    try:
        return int(digits, 8) if digits.isdigit() else -1
    except ValueError:
        return -1


def _short_name(head: bytes) -> bytes:
    name, prefix = head[:100].rstrip(b"\0"), head[345:500].rstrip(b"\0")
    return prefix + b"/" + name if prefix and head[257:263] == b"ustar\0" else name


def _of_pax(text: bytes, name: bytes, length: int) -> tuple[bytes, int]:
    """The path and the size, where it says them (POSIX pax: length, blank, key=value, line feed)."""
    while text:
        size, _, _ = text[:20].partition(b" ")
        if not size.isdigit() or not 0 < int(size) <= len(text):
            break
        key, _, value = text[len(size) + 1 : int(size) - 1].partition(b"=")
        if key == b"path":
            name = value
        elif key == b"size" and value.isdigit() and len(value) < 16:
            length = int(value)
        text = text[int(size) :]
    return name, length


def _only_zeros(file: BinaryIO, start: int, end: int) -> bool:
    while start < end and (chunk := os.pread(file.fileno(), min(_CHUNK, end - start), start)):
        if chunk.strip(b"\0"):
            return False
        start += len(chunk)
    return True


def _digest(file: BinaryIO, start: int, end: int) -> bytes:
    hasher = Hasher()
    while start < end and (chunk := os.pread(file.fileno(), min(_CHUNK, end - start), start)):
        hasher.update(chunk)
        start += len(chunk)
    return bytes.fromhex(hasher.hex)
