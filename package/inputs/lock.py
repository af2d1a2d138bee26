"""The lock: every file from Debian and PyPI by name, version and SHA-256. Pure but for reading and writing it.

It names no host: apt and pip know theirs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

ARCHITECTURES = ("amd64", "arm64")
ALL = "all"
"""Packages for every architecture."""
PATH = Path(__file__).parents[1] / "lock.json"


@dataclass(frozen=True, order=True)
class Deb:
    """`path` is relative to the archive that has this suite."""

    name: str
    version: str
    architecture: str
    suite: str
    path: str
    sha256: str


@dataclass(frozen=True, order=True)
class Wheel:
    """`architecture` is that for which it was chosen, or `all`."""

    name: str
    version: str
    architecture: str
    file: str
    sha256: str


@dataclass(frozen=True)
class Lock:
    """`build` is what sdist and wheel are built with."""

    debs: tuple[Deb, ...]
    wheels: tuple[Wheel, ...]
    build: tuple[Wheel, ...]

    def debs_for(self, architecture: str) -> tuple[Deb, ...]:
        return tuple(deb for deb in self.debs if deb.architecture in {architecture, ALL})

    def wheels_for(self, architecture: str) -> tuple[Wheel, ...]:
        return tuple(wheel for wheel in self.wheels if wheel.architecture in {architecture, ALL})


def read(path: Path = PATH) -> Lock:
    content = json.loads(path.read_text("utf-8"))
    wheels, build = (tuple(Wheel(**row) for row in content[key]) for key in ("wheels", "build"))
    return Lock(tuple(Deb(**row) for row in content["debs"]), wheels, build)


def write(lock: Lock, path: Path = PATH) -> None:
    """Sorted, a line a file, so that a change of the lock reads well."""
    sections = {
        "debs": [asdict(row) for row in sorted(lock.debs)],
        "wheels": [asdict(row) for row in sorted(lock.wheels)],
        "build": [asdict(row) for row in sorted(lock.build)],
    }
    parts = [f' "{key}": [\n{_rows(rows)}\n ]' for key, rows in sections.items()]
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n", "utf-8")


def _rows(rows: Iterable[Mapping[str, str]]) -> str:
    return ",\n".join(f"  {json.dumps(row)}" for row in rows)
