"""Zips that are each wrong in one way, with the reason that the error must have."""

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from kelvin_provision.bundles.zips import records


@dataclass(frozen=True)
class HostileZip:
    name: str
    data: Callable[[], bytes]
    reason: str


def zipped(*entries: tuple[str, bytes], method=zipfile.ZIP_STORED, mode=0o100644) -> bytes:
    """As `zipfile` writes it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in entries:
            info = zipfile.ZipInfo(name)
            info.compress_type, info.external_attr = method, mode << 16
            archive.writestr(info, data)
    return buffer.getvalue()


TWO = zipped(("a", b"first"), ("b/c", b"second"))
"""Nothing is wrong with it."""


def central(data: bytes, number: int = 0) -> int:
    """Where the record of an entry begins in the directory."""
    at = records.END.unpack(data[-records.END.size :])[6]
    for _ in range(number):
        named, more, comment = struct.unpack_from("<3H", data, at + 28)
        at += records.CENTRAL.size + named + more + comment
    return at


def patched(offset: int | Callable[[bytes], int], form: str, value: int, data: bytes = TWO) -> Callable[[], bytes]:
    """The zip with one number replaced."""

    def changed() -> bytes:
        result = bytearray(data)
        struct.pack_into(form, result, offset(data) if callable(offset) else offset, value)
        return bytes(result)

    return changed


def end(field: int, form: str, value: int, data: bytes = TWO) -> Callable[[], bytes]:
    """The last record with one number replaced; a negative field counts from its end."""
    return patched(lambda whole: len(whole) - records.END.size + field, form, value, data)


def _named(name: str, **more) -> Callable[[], bytes]:
    return lambda: zipped((name, b"x"), **more)


def _flag(bit: int) -> Callable[[], bytes]:
    """Set in the header and in the directory."""

    def changed() -> bytes:
        result = bytearray(TWO)
        for place in (6, central(TWO) + 8):
            struct.pack_into("<H", result, place, bit)
        return bytes(result)

    return changed


def _method(number: int) -> Callable[[], bytes]:
    def changed() -> bytes:
        result = bytearray(TWO)
        for place in (8, central(TWO) + 10):
            struct.pack_into("<H", result, place, number)
        return bytes(result)

    return changed


def _bomb(size: int) -> bytes:
    return zipped(("zeros", bytes(size)), method=zipfile.ZIP_DEFLATED)


def _small_bombs() -> bytes:
    """Each is below what may unpack from any number of bytes."""
    return zipped(*((f"{number}", bytes(1 << 20)) for number in range(120)), method=zipfile.ZIP_DEFLATED)


def _second_name() -> bytes:
    """A Unicode path in the header alone."""
    data = zipped(("a", b"first"))
    field = struct.pack("<2HBL", records.OTHER_NAME, 9, 1, zlib.crc32(b"a")) + b"evil"
    place = central(data)
    result = bytearray(data[:31] + field + data[31:])
    struct.pack_into("<H", result, 28, len(field))
    struct.pack_into("<L", result, len(result) - 6, place + len(field))
    return bytes(result)


def _same_place() -> bytes:
    """Both records lead to the first entry, which is what makes the known bombs of overlapping entries."""
    first = records.Entry("a", 0, 31, 5, 5, zlib.crc32(b"first"))
    second = records.Entry("b", 0, 31, 5, 5, zlib.crc32(b"first"))
    return records.local("a", 5, first.crc) + b"first" + records.directory([first, second], first.end)


def _nested() -> bytes:
    """The second entry lies in the content of the first one."""
    inner = records.local("b", 1, zlib.crc32(b"x")) + b"x"
    first = records.Entry("a", 0, 31, len(inner), len(inner), zlib.crc32(inner))
    second = records.Entry("b", 31, 62, 1, 1, zlib.crc32(b"x"))
    return records.local("a", len(inner), first.crc) + inner + records.directory([first, second], first.end)


def _twice() -> bytes:
    first = records.Entry("a", 0, 31, 1, 1, zlib.crc32(b"x"))
    second = records.Entry("a", 32, 63, 1, 1, zlib.crc32(b"x"))
    return 2 * (records.local("a", 1, first.crc) + b"x") + records.directory([first, second], second.end)


def _many() -> bytes:
    """A directory that says a million."""
    count = 1_000_000
    end64 = records.END64.pack(records.END64_MAGIC, records.END64.size - 12, 45, 45, 0, 0, count, count, 100, 0)
    locator = records.LOCATOR.pack(records.LOCATOR_MAGIC, 0, 100, 1)
    return records.LOCAL_MAGIC + bytes(96) + end64 + locator + records.END.pack(records.END_MAGIC, 0, 0, 0xFFFF, 0xFFFF, 100, 0, 0)


def _with64(**changed) -> bytes:
    """A ZIP64 record where none would be needed, with one number replaced."""
    directory = TWO[central(TWO) : -records.END.size]
    at, values = central(TWO), {"count": 2, "size": len(directory), "start": central(TWO), "place": central(TWO) + len(directory)} | changed
    end64 = records.END64.pack(
        records.END64_MAGIC, records.END64.size - 12, 45, 45, 0, 0, values["count"], values["count"], values["size"], values["start"]
    )
    locator = records.LOCATOR.pack(records.LOCATOR_MAGIC, 0, values["place"], values.get("disks", 1))
    return TWO[:at] + directory + end64 + locator + records.END.pack(records.END_MAGIC, 0, 0, 2, 2, len(directory), at, 0)


SMALLEST = _with64()
"""Nothing is wrong with it."""

ZIPS = [
    HostileZip("a name that leads outside", _named("../a"), "leads outside"),
    HostileZip("one that does in its middle", _named("a/../../b"), "leads outside"),
    HostileZip("an absolute name", _named("/etc/passwd"), "leads outside"),
    HostileZip("a drive", _named("C:/windows"), "leads outside"),
    HostileZip("a name without a step", _named("a//b"), "leads outside"),
    HostileZip("backslashes", lambda: TWO.replace(b"b/c", b"b\\c"), "backslashes"),
    HostileZip("a zero byte in a name", lambda: TWO.replace(b"b/c", b"b\0c"), "unprintable"),
    HostileZip("a line feed in a name", lambda: TWO.replace(b"b/c", b"b\nc"), "unprintable"),
    HostileZip("a name in another encoding", lambda: TWO.replace(b"b/c", b"b\xffc"), "neither ASCII nor marked as UTF-8"),
    HostileZip("an empty name", lambda: zipped(("", b"x")), "leads outside"),
    HostileZip("a long name", _named("x" * 2000), "too long"),
    HostileZip("a link", _named("a", mode=stat.S_IFLNK | 0o777), "a link, a device"),
    HostileZip("a device", _named("a", mode=stat.S_IFBLK | 0o777), "a link, a device"),
    HostileZip("a pipe", _named("a", mode=stat.S_IFIFO | 0o777), "a link, a device"),
    HostileZip("a folder that is none", _named("a", mode=stat.S_IFDIR | 0o777), "a link, a device"),
    HostileZip("a folder with content", lambda: zipped(("a/", b"content"), mode=stat.S_IFDIR | 0o777), "has two sizes"),
    HostileZip("an encrypted entry", _flag(1), "is encrypted"),
    HostileZip("strong encryption", _flag(1 << 6), "is encrypted"),
    HostileZip("an encrypted directory", _flag(1 << 13), "is encrypted"),
    HostileZip("a patch", _flag(1 << 5), "is a patch"),
    HostileZip("LZMA", _method(14), "compression method 14"),
    HostileZip("AES", _method(99), "compression method 99"),
    HostileZip("a bomb", lambda: _bomb(8 << 20), "more than 200 times"),
    HostileZip("many small bombs", _small_bombs, "it unpacks to more than 200 times"),
    HostileZip("a second name in the header alone", _second_name, "has a second name"),
    HostileZip("overlapping entries", _same_place, "overlaps another entry"),
    HostileZip("an entry in another one", _nested, "overlaps another entry"),
    HostileZip("the same name twice", _twice, "two entries have the same name"),
    HostileZip("a million entries", _many, "more than 131072 entries"),
    HostileZip("bytes behind the end", lambda: TWO + b"x", "something follows its directory"),
    HostileZip("a comment", lambda: TWO[:-2] + b"\5\0hello", "something follows its directory"),
    HostileZip("bytes before the first entry", lambda: records.LOCAL_MAGIC + TWO, "not where it says"),
    HostileZip("a file that is cut off", lambda: TWO[:-30], "cut off"),
    HostileZip("several disks", end(4, "<H", 1), "one part of several"),
    HostileZip("fewer entries than there are", end(10, "<H", 1), "one part of several"),
    HostileZip("a directory elsewhere", end(16, "<L", 3), "not where it says"),
    HostileZip("a directory of another length", end(12, "<L", 3), "not where it says"),
    HostileZip("ZIP64 without its record", end(16, "<L", 0xFFFFFFFF), "ZIP64 record is missing"),
    HostileZip("another count in ZIP64", lambda: _with64(count=1), "contradicts the other one"),
    HostileZip("another size in ZIP64", lambda: _with64(size=1), "contradicts the other one"),
    HostileZip("another start in ZIP64", lambda: _with64(start=1), "contradicts the other one"),
    HostileZip("ZIP64 elsewhere", lambda: _with64(place=1), "not where it says"),
    HostileZip("ZIP64 of several disks", lambda: _with64(disks=2), "not where it says"),
    HostileZip("a ZIP64 number that is missing", patched(lambda data: central(data) + 24, "<L", 0xFFFFFFFF), "another ZIP64 field"),
    HostileZip("another size in the directory", patched(lambda data: central(data) + 24, "<L", 4), "two sizes"),
    HostileZip("another checksum in the directory", patched(lambda data: central(data) + 16, "<L", 4), "contradicts the directory"),
    HostileZip("another checksum in the header", patched(14, "<L", 4), "contradicts the directory"),
    HostileZip("another name in the header", patched(30, "<B", ord("z")), "contradicts the directory"),
    HostileZip("another method in the header", patched(8, "<H", 8), "contradicts the directory"),
    HostileZip("another size in the header", patched(22, "<L", 4), "contradicts the directory"),
    HostileZip("no header", patched(lambda data: central(data, 1) + 42, "<L", 1), "overlaps another entry"),
    HostileZip("an entry behind the end", patched(lambda data: central(data, 1) + 42, "<L", 1 << 30), "larger than the zip"),
    HostileZip("a longer name in the directory", patched(lambda data: central(data) + 28, "<H", 60_000), "another form"),
    HostileZip("no magic in the directory", patched(central, "<L", 1), "another form"),
]
