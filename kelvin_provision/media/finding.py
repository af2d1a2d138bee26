"""The files of a known bundle on the media that are there now."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from kelvin_provision.bundles.model import FOREIGN, Contents
from kelvin_provision.bundles.opening import candidates, find, read_head
from kelvin_provision.bundles.parts import BundleFiles
from kelvin_provision.bundles.zips.unpacked import Unpacked
from kelvin_provision.errors import MediumGone, ProvisionError
from kelvin_provision.ledger.reading.bundles import ImportedBundle
from kelvin_provision.media.mounts import Mounts

_Stamp = tuple[int, int, int, int]


class Finder:
    """Remembers which file has which table of contents, as long as the file stays as it is."""

    def __init__(self, mounts: Mounts) -> None:
        self._mounts = mounts
        self._heads: dict[tuple[Path, int], tuple[_Stamp, str]] = {}

    def head(self, known: ImportedBundle) -> bytes | None:
        """Its table of contents, from the medium: bytes with its digest, whatever the medium answered before. None of a zip of another
        program: whether that is it cannot be said without its table, and all of it would have to be unpacked.
        """
        for files in self._candidates(known):
            with suppress(ProvisionError):
                if 1 in files.paths and self._digest(files) == known.digest and (head := read_head(files)).digest == known.digest:
                    return head.contents
        return None

    def files(self, known: ImportedBundle, contents: Contents) -> BundleFiles:
        """The parts that are there, wherever each is; all of it as one file where they were joined."""
        parts: dict[int, Path] = {}
        for files in self._candidates(known):
            most = contents.total if contents.form == FOREIGN else 0
            fits = most or _size(files.paths.get(1, Path())) == contents.total
            if files.whole and fits and self._digest(files, most) == known.digest:
                return files
            if not files.whole:
                parts = {**self._fitting(files, known, contents), **parts}
            if len(parts) == len(contents.parts):
                break
        return BundleFiles(contents.name, parts)

    def _candidates(self, known: ImportedBundle) -> Iterable[BundleFiles]:
        names = known.file_names
        seen = set[Path]()
        for place in self._mounts.places(known.media):
            with suppress(OSError, ProvisionError):  # a foreign mount may answer anything
                if not place.name.partition(".kpb")[1] and place.is_file():
                    yield find(place)  # a person may have given it any name
            if place.parent not in seen:
                seen.add(place.parent)
                with suppress(OSError, ProvisionError):  # a foreign mount may answer anything
                    yield from [files for files in candidates(place.parent) if files.name in names]

    def _fitting(self, files: BundleFiles, known: ImportedBundle, contents: Contents) -> Mapping[int, Path]:
        """Parts of another bundle may have the same names. Behind the first one only sizes tell; blobs are hashed anyway."""
        sizes = dict(enumerate(contents.parts, 1))
        fitting = {number: path for number, path in files.paths.items() if _size(path) == sizes.get(number)}
        if 1 in files.paths and self._digest(files) != known.digest:
            return {}
        return fitting

    def _digest(self, files: BundleFiles, most: int = 0) -> str:
        """Of the table of contents; empty where it cannot be read. `most` are the bytes of a zip of another program, unpacked; else 0."""
        path = files.paths[1]
        with suppress(OSError, MediumGone):
            status = path.stat()
            stamp = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
            if (path, most) not in self._heads or self._heads[path, most][0] != stamp:
                self._heads[path, most] = (stamp, _digest_of(files, most))
            return self._heads[path, most][1]
        return ""


def _digest_of(files: BundleFiles, most: int) -> str:
    """Empty also for what is wrong, which is not looked at again while it stays as it is. Raises MediumGone."""
    try:
        return read_head(files, named=_unpacks_to(files, most)).digest
    except MediumGone:
        raise
    except ProvisionError:
        return ""


def _unpacks_to(files: BundleFiles, most: int) -> bool:
    """Whether it is a zip of no more: a stranger's file may have the name of one that a person has imported."""
    if not most:
        return False
    with Unpacked(files) as unpacked:
        return unpacked.total <= most


def _size(path: Path) -> int:
    with suppress(OSError):
        return os.lstat(path).st_size
    return -1
