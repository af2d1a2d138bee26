"""The files of a known bundle on the media that are there now."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from kelvin_provision.bundles.model import FOREIGN, Contents
from kelvin_provision.bundles.opening import candidates, find, read_head
from kelvin_provision.bundles.parts import BundleFiles
from kelvin_provision.errors import ProvisionError
from kelvin_provision.ledger.reading.bundles import ImportedBundle
from kelvin_provision.media.mounts import Mounts

_Stamp = tuple[int, int, int, int]


class Finder:
    """Remembers which file has which table of contents, as long as the file stays as it is."""

    def __init__(self, mounts: Mounts) -> None:
        self._mounts = mounts
        self._heads: dict[Path, tuple[_Stamp, str]] = {}

    def head(self, known: ImportedBundle) -> bytes | None:
        """Its table of contents, from the medium: bytes with its digest, whatever the medium answered before."""
        for files in self._candidates(known):
            with suppress(ProvisionError):
                if 1 in files.paths and self._digest(files) == known.digest and (head := read_head(files)).digest == known.digest:
                    return head.contents
        return None

    def files(self, known: ImportedBundle, contents: Contents) -> BundleFiles:
        """The parts that are there, wherever each is; all of it as one file where they were joined."""
        parts: dict[int, Path] = {}
        for files in self._candidates(known):
            fits = contents.form == FOREIGN or _size(files.paths.get(1, Path())) == contents.total
            if files.whole and fits and self._digest(files) == known.digest:
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

    def _digest(self, files: BundleFiles) -> str:
        """Of the table of contents; empty where it cannot be read."""
        path = files.paths[1]
        with suppress(OSError, ProvisionError):
            status = path.stat()
            stamp = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
            if path not in self._heads or self._heads[path][0] != stamp:
                self._heads[path] = (stamp, read_head(files).digest)
            return self._heads[path][1]
        return ""


def _size(path: Path) -> int:
    with suppress(OSError):
        return os.lstat(path).st_size
    return -1
