"""Files with wrong content: out of use, and kept so that an engineer can look at them."""

from __future__ import annotations

from pathlib import Path

from kelvin_provision.files.durable import sync_folder

COPIES = 2
"""Per name: enough to look at, too few to fill a disk."""


class Quarantine:
    """One folder; each file keeps its name, with a number."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def has(self, name: str) -> bool:
        return any(path.exists() for path in self._paths(name))

    def add(self, path: Path, name: str) -> Path:
        """Move a file here and return its new path; the newest copy is replaced when there are `COPIES`. A missing file is no error."""
        paths = self._paths(name)
        target = next((candidate for candidate in paths if not candidate.exists()), paths[-1])
        try:
            path.replace(target)
        except FileNotFoundError:
            return target
        sync_folder(path.parent)
        return target

    def _paths(self, name: str) -> list[Path]:
        return [self._folder / f"{name}-{number}" for number in range(1, COPIES + 1)]
