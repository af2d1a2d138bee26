"""The trees below one prefix, and the link to the current one."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from kelvin_provision.errors import ReleaseMissing
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.durable import sync_folder, writing_to
from kelvin_provision.systemd.environment import CURRENT, RELEASE

PREVIOUS = "previous"
"""The link to the version before, for the way back."""
_FIELDS = ("version", "commit", "architecture")


@dataclass(frozen=True)
class Tree:
    """One version. `previous` is the one that a roll-back would make the current one."""

    path: Path
    version: str
    commit: str
    architecture: str
    current: bool = False
    previous: bool = False


def read(path: Path, prefix: Path) -> Tree | None:
    """None for what is no whole tree: a tree gets its name when it is whole."""
    try:
        content: Any = json.loads((path / RELEASE).read_text("utf-8"))
        version, commit, architecture = (str(content[key]) for key in _FIELDS)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    current, previous = (path.name == target(prefix, name) for name in (CURRENT, PREVIOUS))
    return Tree(path, version, commit, architecture, current=current, previous=previous and not current)


def trees(prefix: Path) -> tuple[Tree, ...]:
    """The current one first, then the one before."""
    with suppress(OSError):
        folders = sorted(path for path in prefix.iterdir() if path.is_dir() and not path.is_symlink() and not path.name.startswith("."))
        whole = [tree for tree in (read(path, prefix) for path in folders) if tree is not None]
        return tuple(sorted(whole, key=lambda tree: (not tree.current, not tree.previous)))
    return ()


def target(prefix: Path, name: str) -> str:
    """The name of the tree to which a link leads; empty without one."""
    try:
        return str((prefix / name).readlink())
    except OSError:
        return ""


def point(prefix: Path, name: str, to: str) -> None:
    """Make a link lead to another tree, in one step that a power cut does not halve."""
    beside = prefix / f".{name}.new"
    with writing_to(prefix / name):
        beside.unlink(missing_ok=True)
        beside.symlink_to(to)
        beside.replace(prefix / name)
        sync_folder(prefix)


def switch(prefix: Path, to: str) -> None:
    """Make this tree the current one, and the one before the way back."""
    before = target(prefix, CURRENT)
    if before not in {to, ""}:
        point(prefix, PREVIOUS, before)
    point(prefix, CURRENT, to)


def prefix_of(executable: str = sys.executable) -> Path:
    """Where the trees are of which this interpreter is one. Raises ReleaseMissing for a program that pip has installed."""
    tree = Path(executable).parents[1]
    if not (tree / RELEASE).is_file() or not (tree.parent / CURRENT).is_symlink():
        raise ReleaseMissing("this program was installed by pip, which has one version of it", hint="install another one with pip")
    return tree.parent
