"""From a place to a bundle: which files are it, its first bytes, and the reader. Nothing of the bundle is parsed here.

The signature over `Head.contents` is verified between `read_head` and `contents.decode`.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from itertools import islice, repeat
from pathlib import Path

from kelvin_provision.bundles import limits
from kelvin_provision.bundles.head import Head, refuse_contradiction
from kelvin_provision.bundles.model import Contents
from kelvin_provision.bundles.part_file import PartFile, trouble
from kelvin_provision.bundles.parts import BundleFiles, Parts
from kelvin_provision.bundles.reader import Bundle
from kelvin_provision.bundles.writing import trust_members
from kelvin_provision.bundles.writing.layout import CONTENTS_AT, SIGNATURES_AT
from kelvin_provision.bundles.zips.opening import head_of_zip, is_package
from kelvin_provision.errors import BundleDamaged, BundleInvalid, BundleMissing, MediumGone
from kelvin_provision.files.hashing import digest_of
from kelvin_provision.files.tar_members import BLOCK, name_and_size, whole

_FILE = re.compile(r"(?P<name>[^.].*)\.kpb(?:\.(?P<number>[0-9]{3}))?")
"""A name that begins with a dot is what another system left beside the file."""
_MAY_BE = re.compile(r"\.kpb|\.zip\Z")
_ZIP = re.compile(r"[^.].*\.zip")
_ZIPS = 64
"""Zips of a folder that are looked into."""
_ENTRIES = 65_536
"""Names of a folder that are looked at."""
_NAMED = 10
"""Bundles of a folder that are named in a message."""
_SIGNATURES, _CONTENTS = b"kelvin/signatures.json", b"kelvin/bundle.json"


# --- the files ------------------------------------------------------------------------------------------


def find(place: Path, *others: Path) -> BundleFiles:
    """The bundle at a place: its file, one of its parts, or the folder that has it. Parts may also be at other places.

    Raises BundleMissing, also for a folder with several bundles; BundleInvalid, FileUnreadable, MediumGone.
    """
    files = _refuse_unnameable(_find(place))
    for other in others:
        more = _refuse_unnameable(_find(other, files.name))
        if more.whole or files.whole or more.name != files.name:
            raise BundleInvalid(f"{place} and {other} are two bundles: only parts of one can be at several places")
        files = BundleFiles(files.name, {**more.paths, **files.paths})
    return files


def candidates(folder: Path, most: int | None = None, names: Iterator[int] | None = None) -> tuple[BundleFiles, ...]:
    """The bundles in a folder whose names are text, by their files' names: at most so many, of as many names as `names` are left.

    Raises MediumGone, FileUnreadable.
    """
    return tuple(islice((files for files in _all_in(folder, names) if is_text(files.name)), most))


def is_text(name: str) -> bool:
    """Whether UTF-8 can encode it: the system hands on other bytes of a name as surrogates, which can be neither stored nor sent."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse_unnameable(files: BundleFiles) -> BundleFiles:
    """The same files. Where a link leads is stored, too, to find the medium again. Raises BundleInvalid."""
    for path in files.paths.values():
        for name in (os.path.abspath(path), os.path.realpath(path)):  # noqa: PTH100  (links in it stay)
            if not is_text(name):
                shown = os.fsencode(name).decode(errors="backslashreplace")
                raise BundleInvalid(f"the path {shown} is not UTF-8", hint="rename the file or folder whose name is not, and try again")
    return files


def _all_in(folder: Path, left: Iterator[int] | None = None) -> Iterator[BundleFiles]:
    names = sorted(_names_in(folder, left))
    parts: dict[str, dict[int, Path]] = {}
    for match in filter(None, map(_FILE.fullmatch, names)):
        name, number = match["name"], match["number"]
        if number is None:
            yield BundleFiles(name, {1: folder / match[0]}, whole=True)
        elif int(number):
            parts.setdefault(name, {})[int(number)] = folder / match[0]
    yield from (BundleFiles(name, paths) for name, paths in parts.items())
    yield from _packages(folder, names)


def _names_in(folder: Path, left: Iterator[int] | None) -> list[str]:
    """Of files that may be bundles."""
    try:
        with os.scandir(folder) as entries:
            looked_at = (entry for _, entry in zip(left or repeat(0), islice(entries, _ENTRIES), strict=False))
            return [entry.name for entry in looked_at if _MAY_BE.search(entry.name) and not entry.is_dir(follow_symlinks=False)]
    except OSError as error:
        raise trouble(error, folder) from error


def _packages(folder: Path, names: list[str]) -> Iterator[BundleFiles]:
    """Zips that begin as packages do; a zip of another program counts only where it is named."""
    for name in islice((name for name in names if _ZIP.fullmatch(name)), _ZIPS):
        if is_package(folder / name):
            yield BundleFiles(name, {1: folder / name}, whole=True)


def _find(place: Path, name: str = "") -> BundleFiles:
    try:
        folder = stat.S_ISDIR(place.stat().st_mode)
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG}:
            raise BundleMissing(f"{place} does not exist") from error
        raise trouble(error, place) from error
    if folder:
        bundles = [files for files in _all_in(place) if name in ("", files.name)]
        return _only(place, [files for files in bundles if is_text(files.name)] or bundles)
    match = _FILE.fullmatch(place.name)
    if match is None or match["number"] is None:
        return BundleFiles(match["name"] if match else place.name, {1: place}, whole=True)
    alone = BundleFiles(match["name"], {int(match["number"]): place})
    return next((files for files in candidates(place.parent) if place in files.paths.values()), alone)


def _only(folder: Path, bundles: list[BundleFiles]) -> BundleFiles:
    if not bundles:
        raise BundleMissing(f"{folder} has no bundle: no file there is called NAME.kpb or NAME.kpb.001, or is a package")
    if len(bundles) > 1:
        paths = [str(next(iter(files.paths.values()))) for files in bundles]
        raise BundleMissing(f"{folder} has {len(bundles)} bundles", hint="name the file of one of them", evidence=paths[:_NAMED])
    return bundles[0]


# --- the first bytes ------------------------------------------------------------------------------------


def read_head(files: BundleFiles, *, named: bool = False) -> Head:
    """Only where a person `named` the files, they may be a zip of another program: its table of contents is made of what it unpacks to.

    Raises BundleInvalid, BundleDamaged; MediumGone if the part with it is not here.
    """
    if 1 not in files.paths:
        hint = "insert the medium with part 1; what was copied is kept"
        raise MediumGone(f"part 1 of the bundle {files.name}, which has the table of contents, is not here", hint=hint)
    if files.whole and (zipped := head_of_zip(files, named=named)):
        return zipped
    with _first_parts(files) as parts:
        start = _exactly(parts, 0, CONTENTS_AT)
        if _member(start, SIGNATURES_AT) != (_SIGNATURES, limits.SIGNATURES):
            raise BundleInvalid(f"{files.paths[1]} is not a bundle")
        name, size = _member(start, CONTENTS_AT)
        if name != _CONTENTS or not 0 < size <= limits.CONTENTS:
            raise BundleInvalid(f"{files.paths[1]} has no table of contents of at most {limits.CONTENTS} bytes")
        contents = _exactly(parts, CONTENTS_AT, size)
        trust = trust_members.read(lambda at, length: _exactly(parts, at, length), CONTENTS_AT + whole(size), parts.total)
    return Head(start[SIGNATURES_AT : SIGNATURES_AT + limits.SIGNATURES], contents, digest_of(contents), trust=trust)


def _first_parts(files: BundleFiles) -> Parts:
    """As many as the longest head needs, as they are: nothing is known of their sizes yet."""
    sizes: list[int] = []
    while len(sizes) + 1 in files.paths and sum(sizes) < CONTENTS_AT + limits.CONTENTS + limits.TRUST:
        sizes.append(_size(files.paths[len(sizes) + 1]))
    return Parts(files, sizes)


def _size(path: Path) -> int:
    file = PartFile(path)
    file.close()
    return file.size


def _exactly(parts: Parts, offset: int, size: int) -> bytes:
    try:
        return b"".join(parts.read(offset, size))
    except BundleDamaged as error:
        raise BundleDamaged(f"{parts.files.paths[1]} ends before its table of contents does") from error


def _member(start: bytes, content: int) -> tuple[bytes, int]:
    """The name and size in the tar header before a member's content; a size of -1 if it is none."""
    return name_and_size(start[content - BLOCK : content])


# --- the reader -----------------------------------------------------------------------------------------


def open_bundle(files: BundleFiles, head: Head, contents: Contents) -> Bundle:
    """`contents` is what `head.contents` says. Raises BundleInvalid. Reads nothing yet."""
    refuse_contradiction(head, contents)
    return Bundle(files, head.digest, contents)
