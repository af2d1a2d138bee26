"""The bundles on the media of this box: in the folders where a site mounts them, and nowhere else.

A client from afar names a bundle by its digest, never by a path. Links are not followed: a stick could have one to anywhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from kelvin_provision.bundles.opening import candidates, is_text, read_head
from kelvin_provision.bundles.parts import BundleFiles
from kelvin_provision.errors import BundleMissing, ProvisionError
from kelvin_provision.fast_dataclass import dataclass

DEEPEST = 3
"""Levels below a folder of the site: /run/media/USER/STICK/bundles."""
MOST_FOLDERS, MOST = 1024, 256
"""Folders that are looked at, and bundles that are listed."""
MOST_NAMES = 1 << 18
"""Names that are looked at in all folders together, once for folders and once for bundles."""


@dataclass(frozen=True)
class BundleOnMedium:
    """`digest` is empty where the part with the table of contents is not here, or `error` says why it cannot be read."""

    files: BundleFiles
    size: int
    digest: str = ""
    error: str = ""

    @property
    def folder(self) -> Path:
        return next(iter(self.files.paths.values())).parent

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.files.name,
            "folder": str(self.folder),
            "size": self.size,
            "parts": sorted(self.files.paths),
            "digest": self.digest or None,
            "error": self.error or None,
        }


def on_media(folders: Iterable[Path]) -> tuple[BundleOnMedium, ...]:
    """All of them, by place. Nothing is believed of them; of each the head is read, and of a zip of another program nothing."""
    bundles: list[BundleOnMedium] = []
    names = iter(range(MOST_NAMES))
    for folder in sorted(_below(folders)):
        if len(bundles) == MOST:
            break
        with suppress(ProvisionError):
            bundles += [_looked_at(files) for files in candidates(folder, MOST - len(bundles), names)]
    return tuple(bundles)


def place_of(folders: Sequence[Path], digest: str) -> Path:
    """A file of the bundle with this digest. Raises BundleMissing."""
    for bundle in on_media(folders):
        if bundle.digest == digest:
            return bundle.files.paths[1]
    raise BundleMissing(f"no medium in this box has the bundle {digest[:80]}", hint="insert it, and look again")


def _looked_at(files: BundleFiles) -> BundleOnMedium:
    size = sum(_size(path) for path in files.paths.values())
    if 1 not in files.paths:
        return BundleOnMedium(files, size)
    try:
        return BundleOnMedium(files, size, read_head(files).digest)
    except ProvisionError as error:
        return BundleOnMedium(files, size, error=str(error))


def _below(folders: Iterable[Path]) -> set[Path]:
    """These folders and those in them, breadth first, so that a deep one does not keep others out."""
    return set(islice(dict.fromkeys(_level_by_level(folders)), MOST_FOLDERS))


def _level_by_level(folders: Iterable[Path]) -> Iterator[Path]:
    """As many as are looked at; one that is given twice counts twice."""
    level = list(islice(folders, MOST_FOLDERS))
    names = iter(range(MOST_NAMES))
    left = MOST_FOLDERS
    for _ in range(DEEPEST + 1):
        yield from level
        left -= len(level)
        level = list(islice((inner for folder in level for inner in _folders_in(folder, names)), left))


def _folders_in(folder: Path, names: Iterator[int]) -> Iterator[Path]:
    with suppress(OSError), os.scandir(folder) as entries:
        for _, entry in zip(names, entries, strict=False):
            if not entry.name.startswith(".") and is_text(entry.name) and entry.is_dir(follow_symlinks=False):
                yield Path(entry.path)


def _size(path: Path) -> int:
    with suppress(OSError):
        return path.lstat().st_size
    return 0
