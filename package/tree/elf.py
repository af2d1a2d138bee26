"""The libraries that a program or library of Linux names (elf(5), DT_NEEDED). 64 bits, little-endian: both architectures are."""

from __future__ import annotations

import struct
from pathlib import Path

_LOAD, _DYNAMIC = 1, 2
_NEEDED, _STRINGS = 1, 5


def is_elf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(6) == b"\x7fELF\x02\x01"


def needed(path: Path) -> tuple[str, ...]:
    """Empty for one that is linked statically."""
    data = path.read_bytes()
    offset, size, count = struct.unpack_from("<Q", data, 32)[0], *struct.unpack_from("<HH", data, 54)
    segments = [struct.unpack_from("<IIQQQQQQ", data, offset + number * size) for number in range(count)]
    dynamic = [segment for segment in segments if segment[0] == _DYNAMIC]
    if not dynamic:
        return ()
    _, _, start, _, _, length, _, _ = dynamic[0]
    entries = [struct.unpack_from("<qQ", data, place) for place in range(start, start + length, 16)]
    (strings,) = (value for tag, value in entries if tag == _STRINGS)
    table = _file_offset(segments, strings)
    return tuple(_text(data, table + value) for tag, value in entries if tag == _NEEDED)


def _file_offset(segments: list[tuple[int, ...]], address: int) -> int:
    for kind, _, start, virtual, _, size, _, _ in segments:
        if kind == _LOAD and virtual <= address < virtual + size:
            return start + address - virtual
    raise ValueError("the strings are in no segment")


def _text(data: bytes, place: int) -> str:
    return data[place : data.index(b"\0", place)].decode()
