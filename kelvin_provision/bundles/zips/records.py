"""The records of a zip as bytes, and back (APPNOTE.TXT 6.3). What has a number too large for 32 bits has it in a ZIP64 field."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from kelvin_provision.fast_dataclass import dataclass

LOCAL = struct.Struct("<4s5H3L2H")
CENTRAL = struct.Struct("<4s6H3L5H2L")
END = struct.Struct("<4s4H2LH")
END64 = struct.Struct("<4sQ2H2L4Q")
LOCATOR = struct.Struct("<4sLQL")
LOCAL_MAGIC, CENTRAL_MAGIC, END_MAGIC = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
END64_MAGIC, LOCATOR_MAGIC, DESCRIPTOR_MAGIC = b"PK\x06\x06", b"PK\x06\x07", b"PK\x07\x08"
LOCAL_CRC_AT, CENTRAL_CRC_AT = 14, 16
STORED, DEFLATED = 0, 8
ENCRYPTED, DESCRIPTOR, UTF8 = 1 << 0, 1 << 3, 1 << 11
MOST16, MOST32 = 0xFFFF, 0xFFFF_FFFF
ZIP64 = 1
"""The number of the extra field with large numbers."""
OTHER_NAME = 0x7075
"""The number of the extra field with a second name."""
_VERSION, _VERSION64 = 20, 45
_UNIX = 3 << 8
_MODE = 0o100444 << 16
_DATE = (1 << 5) | 1
"""The first day of 1980, the oldest that there is: the same content gives the same bytes."""
_ALIGNMENT = 0xD935
"""The number of an extra field that only takes room, as zipalign writes it."""


@dataclass(frozen=True)
class Entry:
    """`at` is the offset of its header, `data` that of its content, which has `packed` bytes there, and `size` when it is unpacked."""

    name: str
    at: int
    data: int
    packed: int
    size: int
    crc: int
    method: int = STORED

    @property
    def end(self) -> int:
        return self.data + self.packed

    @property
    def is_folder(self) -> bool:
        return self.name.endswith("/")


def local(name: str, size: int, crc: int, room: int = 0) -> bytes:
    """The header before stored content. `room` more bytes are taken by a field without content: 0, or 4 and more."""
    large = size >= MOST32
    extra = struct.pack("<2H2Q", ZIP64, 16, size, size) if large else b""
    if room:
        extra += struct.pack("<2H", _ALIGNMENT, room - 4) + bytes(room - 4)
    shown = MOST32 if large else size
    version = _VERSION64 if large else _VERSION
    encoded = name.encode("ascii")
    return LOCAL.pack(LOCAL_MAGIC, version, 0, STORED, 0, _DATE, crc, shown, shown, len(encoded), len(extra)) + encoded + extra


def local_size(name: str, size: int) -> int:
    """Of the header without room."""
    return LOCAL.size + len(name) + (20 if size >= MOST32 else 0)


def directory(entries: list[Entry], at: int) -> bytes:
    """What a zip with these stored entries ends with, at this offset."""
    records = b"".join(map(_central, entries))
    return records + _end(len(entries), len(records), at)


def directory_size(entries: list[Entry], at: int) -> int:
    return len(directory(entries, at))


def _central(entry: Entry) -> bytes:
    large = entry.size >= MOST32
    numbers = [entry.size, entry.size] if large else []
    numbers += [entry.at] if entry.at >= MOST32 else []
    extra = struct.pack(f"<2H{len(numbers)}Q", ZIP64, 8 * len(numbers), *numbers) if numbers else b""
    version = _VERSION64 if numbers else _VERSION
    size, encoded = min(entry.size, MOST32), entry.name.encode("ascii")
    return (
        CENTRAL.pack(
            *(CENTRAL_MAGIC, _UNIX | version, version, 0, STORED, 0, _DATE, entry.crc, size, size),
            *(len(encoded), len(extra), 0, 0, 0, _MODE, min(entry.at, MOST32)),
        )
        + encoded
        + extra
    )


def _end(count: int, size: int, at: int) -> bytes:
    end = END.pack(END_MAGIC, 0, 0, min(count, MOST16), min(count, MOST16), min(size, MOST32), min(at, MOST32), 0)
    if count < MOST16 and size < MOST32 and at < MOST32:
        return end
    end64 = END64.pack(END64_MAGIC, END64.size - 12, _UNIX | _VERSION64, _VERSION64, 0, 0, count, count, size, at)
    return end64 + LOCATOR.pack(LOCATOR_MAGIC, 0, at + size, 1) + end


def extras(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Raises ValueError for fields that are not as long as they say."""
    at = 0
    while at < len(data):
        if at + 4 > len(data):
            raise ValueError(at)
        kind, size = struct.unpack_from("<2H", data, at)
        if at + 4 + size > len(data):
            raise ValueError(at)
        yield kind, data[at + 4 : at + 4 + size]
        at += 4 + size
