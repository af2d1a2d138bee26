"""Compiles every module of a tree: it starts faster, and nothing is ever written into it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from package.tree.launchers import LOADERS

_ALIKE = "cpython-311.pyc"
_RARELY = re.compile(r"/kubernetes/client/(models|api)/")
"""Eight hundred modules, of which the library imports by and by the few that are asked for: one, here."""


def interpreter(tree: Path, architecture: str) -> list[str]:
    """The command of the interpreter of a tree of this machine's architecture, wherever it lies. It writes nothing by itself (-B)."""
    runtime = tree / "runtime"
    words = [str(runtime / LOADERS[architecture]), "--inhibit-cache", "--library-path", str(runtime)]
    return [*words, "--argv0", str(tree / "bin" / "python"), str(runtime / "python3.11"), "-I", "-B"]


def compile_all(tree: Path, python: list[str], other: Path | None = None) -> None:
    """By this interpreter. Where `other` has the same module, its bytecode is taken: it is the same on every architecture.

    Unchecked: modules are not compared with their bytecode at each start. The paths in it are relative; the importer puts in its own.
    """
    if other is not None:
        for pyc in other.rglob(f"__pycache__/*.{_ALIKE}"):
            source = pyc.parent.parent / f"{pyc.name.removesuffix(_ALIKE)}py"
            ours = tree / source.relative_to(other)
            if ours.is_file() and ours.read_bytes() == source.read_bytes():
                (ours.parent / "__pycache__").mkdir(exist_ok=True)
                shutil.copyfile(pyc, ours.parent / "__pycache__" / pyc.name)
    modules = (path for path in sorted((tree / "lib").rglob("*.py")) if not _RARELY.search(str(path)))
    missing = [str(path) for path in modules if not _bytecode(path).is_file()]
    words = ["-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "-s", str(tree), "-i", "-"]
    subprocess.run([*python, *words], input="\n".join(missing) + "\n", text=True, check=True)


def _bytecode(path: Path) -> Path:
    return path.parent / "__pycache__" / f"{path.stem}.{_ALIKE}"
