"""Files that turned out wrong, out of the way but still there: someone will want to look."""

from __future__ import annotations

from pathlib import Path

from kelvin_provision.files.durable import sync_folder

KEPT = 2
"""Of each name: enough to look at, too few to fill a disk."""


class Aside:
    """In one folder, under the name and a number."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def has(self, name: str) -> bool:
        """Whether there is one of this name."""
        return any(place.exists() for place in self._places(name))

    def take(self, path: Path, name: str) -> Path:
        """Move a file here, over the last one when all places are taken; where it is then. A file that is gone is fine."""
        places = self._places(name)
        target = next((place for place in places if not place.exists()), places[-1])
        try:
            path.replace(target)
        except FileNotFoundError:
            return target
        sync_folder(path.parent)
        return target

    def _places(self, name: str) -> list[Path]:
        return [self._folder / f"{name}-{number}" for number in range(1, KEPT + 1)]
