"""A tar archive in a zip: where the content of each member is in the range. Nothing is unpacked, and no name becomes a path."""

from __future__ import annotations

import io
import posixpath
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import field

from kelvin_provision.bundles import limits
from kelvin_provision.bundles.zips.directory import wrong
from kelvin_provision.bundles.zips.unpacked import Unpacked
from kelvin_provision.errors import BundleInvalid
from kelvin_provision.fast_dataclass import dataclass

_LARGEST_HEADER = 1 << 20
"""Bytes of the headers of one member: names and times in extended headers."""
_GLOBAL, _GLOBAL_BYTES = 64, 64 << 10
"""Fields that hold for all members behind them, which `tarfile` keeps, and copies for each."""
_DOCUMENT = "manifest.json"
"""It is read on the way: it may lie at the end."""
_DIGITS = re.compile(rb"[0-9]{256}")
"""`tarfile` searches extended headers in a time that grows with the square of these."""
_HOPS = 8


class Allowance:
    """What is left of what all archives of one zip may have together: members, folders among them, and bytes of headers."""

    def __init__(self) -> None:
        self.members, self.headers = limits.ENTRIES, limits.ARCHIVE_HEADERS

    def take(self, members: int, headers: int) -> None:
        self.members -= members
        self.headers -= headers
        if self.members < 0:
            raise wrong(f"its archives have more than {limits.ENTRIES} members")
        if self.headers < 0:
            raise wrong(f"its archives have more than {limits.ARCHIVE_HEADERS} bytes of headers")


@dataclass(frozen=True)
class Member:
    """A file: offset and size in the range, and its first two bytes, which say how it is compressed."""

    offset: int
    size: int
    start: bytes


@dataclass(frozen=True)
class Archive:
    """`places` are the files by name; `links` lead from a name to another. `document` is the content of manifest.json, if it is a file."""

    places: Mapping[str, Member]
    links: Mapping[str, str] = field(default_factory=dict)
    document: bytes | None = None

    def member(self, name: str) -> Member:
        """Of a file, or of the one that a link in the archive leads to. Raises BundleInvalid."""
        for _ in range(_HOPS):
            if name in self.places:
                return self.places[name]
            if name not in self.links:
                break
            name = self.links[name]
        raise wrong(f"the archive has no file {name[:100]}")


class _Range(io.RawIOBase):
    """A part of the range as a file, of which headers alone are read. `tarfile` may read many of them, one in another, for one member."""

    def __init__(self, unpacked: Unpacked, start: int, size: int, allowance: Allowance) -> None:
        self._unpacked, self._start, self._size, self._allowance = unpacked, start, size, allowance
        self._at = self._since = 0

    def member(self) -> None:
        """Its headers end here."""
        self._since = 0
        self._allowance.take(1, 0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + {0: 0, 1: self._at, 2: self._size}[whence]
        return self._at

    def read(self, size: int = -1) -> bytes:
        self._since += max(size, 0)
        if size < 0 or self._since > _LARGEST_HEADER or self._at < 0:
            raise wrong("a tar archive has a header that is too large")
        self._allowance.take(0, size)
        count = max(min(size, self._size - self._at), 0)
        data = b"".join(self._unpacked.read(self._start + self._at, count)) if count else b""
        self._at += count
        if _DIGITS.search(data):
            raise wrong("a tar archive has a number of hundreds of digits")
        return data


def archive_in(unpacked: Unpacked, start: int, size: int, name: str, allowance: Allowance) -> Archive:
    """Raises BundleInvalid for what is no tar archive, or has members of other kinds than files, folders and links."""
    places: dict[str, Member] = {}
    links: dict[str, str] = {}
    document: bytes | None = None
    try:
        for member in _members(_Range(unpacked, start, size, allowance)):
            path = posixpath.normpath(member.name)
            if path in places or path in links:
                raise wrong(f"{name} has the member {path[:100]} twice")
            if member.isdir():
                continue
            if member.issym() or member.islnk():
                target = member.linkname if member.islnk() else posixpath.join(posixpath.dirname(path), member.linkname)
                links[path] = posixpath.normpath(target)
                continue
            if member.type not in tarfile.REGULAR_TYPES or member.sparse or member.type == tarfile.GNUTYPE_SPARSE:
                raise wrong(f"{name} has a device, a sparse file or another kind of member")
            if member.size < 0 or member.offset_data + member.size > size:
                raise wrong(f"{name} ends before its member {path[:100]} does")
            is_document = path == _DOCUMENT and member.size <= limits.MANIFEST
            read = b"".join(unpacked.read(start + member.offset_data, member.size if is_document else min(member.size, 2)))
            document = read if is_document else document
            places[path] = Member(start + member.offset_data, member.size, read[:2])
    except BundleInvalid:
        raise
    except (tarfile.TarError, ValueError, OverflowError, RecursionError, EOFError) as error:
        raise wrong(f"{name} is no tar archive that can be read") from error
    return Archive(places, links, document)


def _members(file: _Range) -> Iterator[tarfile.TarInfo]:
    with tarfile.open(fileobj=file, mode="r:") as archive:
        while (member := archive.next()) is not None:
            archive.members = []  # type: ignore[attr-defined]  # it would keep them all
            file.member()
            kept = archive.pax_headers
            if len(kept) > _GLOBAL or sum(len(key) + len(value) for key, value in kept.items()) > _GLOBAL_BYTES:
                raise wrong("a tar archive has too many headers that hold for all members")
            yield member
