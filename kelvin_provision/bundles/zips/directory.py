"""The entries of a zip, read strictly: what two readers could take in two ways is refused, and so is every byte that is of no entry.

`zipfile` is made to read what it can of any file: it takes bytes before and after the zip, entries that overlap, and headers that
contradict the directory.
"""

from __future__ import annotations

import re
import stat
import struct
from collections.abc import Iterator, Sequence

from kelvin_provision.bundles import limits
from kelvin_provision.bundles.part_file import PartFile
from kelvin_provision.bundles.zips import records
from kelvin_provision.bundles.zips.records import DEFLATED, DESCRIPTOR, MOST16, MOST32, STORED, Entry
from kelvin_provision.errors import BundleInvalid
from kelvin_provision.fast_dataclass import dataclass

_REFUSED_FLAGS = {1 << 0: "is encrypted", 1 << 5: "is a patch", 1 << 6: "is encrypted", 1 << 13: "is encrypted"}
_DRIVE = re.compile(r"[A-Za-z]:")
_SHOWN = 100


def wrong(what: str) -> BundleInvalid:
    return BundleInvalid(f"the zip is not valid: {what}")


def is_zip(file: PartFile) -> bool:
    """By its first bytes, also of one without entries."""
    return file.size >= records.END.size and file.read(0, 4) in {records.LOCAL_MAGIC, records.END_MAGIC}


def entries_of(file: PartFile) -> tuple[Entry, ...]:
    """In the order of their bytes, folders among them. Raises BundleInvalid, MediumGone."""
    end = _end_of(file)
    described = [_checked(each, file.size) for each in _described(file.read(end.at, end.size), end.count)]
    if sum(each.size for each in described) > limits.RATIO * file.size + limits.UNCHECKED_TOTAL:
        raise wrong(f"it unpacks to more than {limits.RATIO} times its size")
    names = {each.name for each in described}
    if len(names) != len(described):
        raise wrong("two entries have the same name")
    described.sort(key=lambda each: each.at)
    return tuple(_placed(file, described, end.at))


# --- the end --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _End:
    """Of the directory: its entries, its bytes, and where they begin."""

    count: int
    size: int
    at: int


def _end_of(file: PartFile) -> _End:
    place = file.size - records.END.size
    if place < 0:
        raise wrong("it has no directory")
    magic, disk, first, here, count, size, at, comment = records.END.unpack(file.read(place, records.END.size))
    if magic != records.END_MAGIC or comment:
        raise wrong("it is cut off, or something follows its directory")
    if disk or first or here != count:
        raise wrong("it is one part of several")
    end = _End(count, size, at)
    place64 = place - records.LOCATOR.size
    if place64 >= 0 and file.read(place64, 4) == records.LOCATOR_MAGIC:
        end, place = _end64(file, place64, end)
    elif count == MOST16 or MOST32 in (size, at):
        raise wrong("its ZIP64 record is missing")
    if end.count > limits.ENTRIES or end.size > limits.DIRECTORY:
        raise wrong(f"more than {limits.ENTRIES} entries, or {limits.DIRECTORY} bytes of directory")
    if end.at + end.size != place:
        raise wrong("its directory is not where it says")
    return end


def _end64(file: PartFile, place: int, end: _End) -> tuple[_End, int]:
    """Every number of the short record is that of the long one, or says that it is there."""
    _, disk, at, disks = records.LOCATOR.unpack(file.read(place, records.LOCATOR.size))
    if disk or disks != 1 or at != place - records.END64.size or at < 0:
        raise wrong("its ZIP64 record is not where it says")
    magic, length, _, _, number, first, here, count, size, start = records.END64.unpack(file.read(at, records.END64.size))
    if magic != records.END64_MAGIC or length != records.END64.size - 12 or number or first or here != count:
        raise wrong("its ZIP64 record has another form")
    pairs = ((end.count, count, MOST16), (end.size, size, MOST32), (end.at, start, MOST32))
    if any(short not in (long, most) for short, long, most in pairs):
        raise wrong("its ZIP64 record contradicts the other one")
    return _End(count, size, start), at


# --- the directory --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Described:
    """An entry as the directory has it."""

    name: str
    encoded: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    at: int
    mode: int


def _described(data: bytes, count: int) -> Iterator[_Described]:
    place = 0
    for _ in range(count):
        if place + records.CENTRAL.size > len(data):
            raise wrong("its directory ends before its last entry")
        fields = records.CENTRAL.unpack_from(data, place)
        magic, _, _, flags, method, _, _, crc, packed, size, named, more, comment, disk, _, mode, at = fields
        start = place + records.CENTRAL.size
        place = start + named + more + comment
        if magic != records.CENTRAL_MAGIC or place > len(data) or disk:
            raise wrong("its directory has another form")
        encoded = data[start : start + named]
        name = _name(encoded, flags)
        size, packed, at = _large(data[start + named : start + named + more], (size, packed, at), name)
        yield _Described(name, encoded, flags, method, crc, packed, size, at, mode >> 16)
    if place != len(data):
        raise wrong("its directory has bytes of no entry")


def _name(encoded: bytes, flags: int) -> str:
    try:
        name = encoded.decode("utf-8" if flags & records.UTF8 else "ascii")
    except UnicodeDecodeError as error:
        raise wrong("a name that is neither ASCII nor marked as UTF-8") from error
    steps = name.removesuffix("/").split("/")
    if not name.isprintable() or len(encoded) > limits.ENTRY_NAME or "\\" in name:
        raise wrong("a name that is too long, or has unprintable characters or backslashes")
    if any(step in ("", ".", "..") for step in steps) or _DRIVE.match(name):
        raise wrong(f"{_shown(name)} is no relative path, or leads outside")
    return name


def _large(extra: bytes, numbers: tuple[int, ...], name: str) -> tuple[int, ...]:
    """The numbers, from the ZIP64 field where they are not in the record."""
    try:
        fields = list(records.extras(extra))
    except ValueError as error:
        raise wrong(f"{_shown(name)} has extra fields of another length") from error
    if any(kind == records.OTHER_NAME for kind, _ in fields):
        raise wrong(f"{_shown(name)} has a second name")
    given = [data for kind, data in fields if kind == records.ZIP64]
    needed = numbers.count(MOST32)
    if len(given) > 1 or (bool(given) != bool(needed)) or (given and len(given[0]) != 8 * needed):
        raise wrong(f"{_shown(name)} has another ZIP64 field than it needs")
    large = iter(struct.unpack(f"<{needed}Q", given[0]) if given else ())
    return tuple(next(large) if number == MOST32 else number for number in numbers)


def _checked(entry: _Described, total: int) -> _Described:
    name = _shown(entry.name)
    for flag, what in _REFUSED_FLAGS.items():
        if entry.flags & flag:
            raise wrong(f"{name} {what}")
    if entry.method not in (STORED, DEFLATED):
        raise wrong(f"{name} has compression method {entry.method}; accepted are stored and deflated entries")
    folder, kind = entry.name.endswith("/"), stat.S_IFMT(entry.mode)
    if kind not in (0, stat.S_IFDIR if folder else stat.S_IFREG):
        raise wrong(f"{name} is a link, a device or another kind of file")
    if entry.packed > total or entry.at > total or entry.size >= limits.NUMBER:
        raise wrong(f"{name} is larger than the zip")
    if (folder and entry.size) or (entry.method == STORED and entry.packed != entry.size):
        raise wrong(f"{name} has two sizes")
    if entry.size > limits.UNCHECKED_RATIO and entry.size > limits.RATIO * entry.packed:
        raise wrong(f"{name} unpacks to more than {limits.RATIO} times its size")
    return entry


# --- the headers of the entries -------------------------------------------------------------------------


def _placed(file: PartFile, described: Sequence[_Described], end: int) -> Iterator[Entry]:
    """Each with the place of its content. Every byte up to the directory belongs to one entry."""
    place = 0
    for number, each in enumerate(described):
        if each.at != place:
            raise wrong(f"{_shown(each.name)} overlaps another entry, or follows bytes of no entry")
        entry = _with_header(file, each, end)
        following = described[number + 1].at if number + 1 < len(described) else end
        if each.flags & DESCRIPTOR:
            _check_descriptor(file, each, entry.end, following)
            place = following
        else:
            place = entry.end
        yield entry
    if place != end:
        raise wrong("bytes of no entry are before its directory, or an entry lies in it")


def _with_header(file: PartFile, each: _Described, end: int) -> Entry:
    name = _shown(each.name)
    if each.at + records.LOCAL.size > end:
        raise wrong(f"{name} lies behind the end")
    magic, _, flags, method, _, _, crc, packed, size, named, more = records.LOCAL.unpack(file.read(each.at, records.LOCAL.size))
    start = each.at + records.LOCAL.size
    data = start + named + more
    if magic != records.LOCAL_MAGIC or data + each.packed > end:
        raise wrong(f"{name} has no header, or reaches behind the end")
    rest = file.read(start, named + more)
    same = (flags, method, rest[:named]) == (each.flags, each.method, each.encoded)
    if not same or not _same_numbers(each, (size, packed), crc, rest[named:]):
        raise wrong(f"{name} has a header that contradicts the directory")
    return Entry(each.name, each.at, data, each.packed, each.size, each.crc, each.method)


def _same_numbers(each: _Described, sizes: tuple[int, int], crc: int, extra: bytes) -> bool:
    """Sizes and checksum; where a descriptor behind the content has them, each may be zero here."""
    try:
        fields = list(records.extras(extra))
    except ValueError:
        return False
    if any(kind == records.OTHER_NAME for kind, _ in fields):  # a program reads this one, or that of the directory
        raise wrong(f"{_shown(each.name)} has a second name")
    if MOST32 in sizes:
        given = [data for kind, data in fields if kind == records.ZIP64]
        if len(given) != 1 or len(given[0]) != 16 or sizes != (MOST32, MOST32):
            return False
        sizes = struct.unpack("<2Q", given[0])
    later = bool(each.flags & DESCRIPTOR)
    pairs = zip((crc, *sizes), (each.crc, each.size, each.packed), strict=True)
    return all(number == real or (later and not number) for number, real in pairs)


def _check_descriptor(file: PartFile, each: _Described, start: int, end: int) -> None:
    """Nothing but the numbers again, in one of the four forms that there are."""
    forms = [
        magic + struct.pack(form, each.crc, each.packed, each.size)
        for magic in (records.DESCRIPTOR_MAGIC, b"")
        for form in ("<L2L", "<L2Q")
        if form == "<L2Q" or max(each.packed, each.size) <= MOST32
    ]
    length = end - start
    if length not in map(len, forms) or file.read(start, length) not in forms:
        raise wrong(f"{_shown(each.name)} is followed by other bytes than its sizes")


def _shown(name: str) -> str:
    return name if len(name) <= _SHOWN else f"{name[:_SHOWN]}..."
