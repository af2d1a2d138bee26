"""Puts a tree together: what comes from elsewhere, which is kept in the cache, and the program."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from package.inputs import debian, wheels
from package.inputs.cache import CACHE
from package.inputs.lock import Lock
from package.inputs.source import Source
from package.tree import bytecode, elf, launchers, unpack

_HOME = "@HOME@"
NATIVE = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
"""The architecture of this machine, whose interpreter compiles for all."""


TREES = CACHE / "trees"


class NotSelfContainedError(Exception):
    """Something in the tree needs a library that is not in it."""


def base(lock: Lock, architecture: str, folder: Path = TREES) -> Path:
    """What comes from Debian and PyPI, without the program; as it was made the last time if it is in the folder."""
    place = folder / f"{architecture}-{_key(lock, architecture)}"
    if place.is_dir():
        return place
    native = None if architecture == NATIVE else base(lock, NATIVE, folder)
    building = place.with_name(f"{place.name}.{os.getpid()}")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    for deb in lock.debs_for(architecture):
        unpack.deb(debian.fetched(deb, architecture), building)
    for wheel in lock.wheels_for(architecture):
        unpack.wheel(wheels.fetched(wheel), building)
    shutil.copyfile(launchers.FILES / "sitecustomize.py", building / "lib/python3.11/sitecustomize.py")
    _join_authorities(building)
    refuse_missing_libraries(building)
    bytecode.compile_all(building, bytecode.interpreter(native or building, NATIVE), native)
    return building.rename(place)


def _key(lock: Lock, architecture: str) -> str:
    """Of the inputs, and of the code that makes the tree from them."""
    code = [path.read_text("utf-8") for path in sorted(Path(__file__).parent.glob("*.py"))]
    words = (lock.debs_for(architecture), lock.wheels_for(architecture), code, (launchers.FILES / "sitecustomize.py").read_text("utf-8"))
    return hashlib.sha256(repr(words).encode()).hexdigest()[:16]


def _join_authorities(tree: Path) -> None:
    folder = tree / "share/ca-certificates"
    joined = b"".join(path.read_bytes() for path in sorted(folder.rglob("*.crt")))
    shutil.rmtree(folder)
    (tree / "share/ca-certificates.crt").write_bytes(joined)


def refuse_missing_libraries(tree: Path) -> None:
    """Raises NotSelfContainedError: on a box without that library, or with another one, it would fail there."""
    missing = sorted({f"{path.relative_to(tree)} needs {name}" for path, name in _needs(tree) if not (tree / "runtime" / name).exists()})
    if missing:
        raise NotSelfContainedError("; ".join(missing))


def _needs(tree: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(tree.rglob("*")):
        if path.is_file() and not path.is_symlink() and elf.is_elf(path):
            brought = {each.name for each in path.parent.glob("*.so*")}
            yield from ((path, name) for name in elf.needed(path) if name not in brought)


def tree(source: Source, wheel: Path, lock: Lock, architecture: str, folder: Path, *, bases: Path) -> Path:
    """The whole tree at `folder`. Its launchers are still without the path at which it will lie."""
    below = base(lock, architecture, bases)
    shutil.copytree(below, folder, symlinks=True)
    unpack.wheel(wheel, folder)
    native = below if architecture == NATIVE else base(lock, NATIVE, bases)
    bytecode.compile_all(folder, bytecode.interpreter(native, NATIVE))
    launchers.write(folder, architecture, _HOME)
    about = {"version": source.version, "commit": source.commit, "architecture": architecture, "epoch": source.epoch}
    (folder / "release.json").write_text(json.dumps(about, indent=1) + "\n", "utf-8")
    return folder
