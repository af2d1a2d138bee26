"""A new tree gets its name: written, checked and synced first, so that a power cut leaves it whole or not at all."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kelvin_provision.errors import ReleaseInvalid
from kelvin_provision.files.durable import sync_folder, writing_to
from kelvin_provision.installation.trees import Tree, read

INCOMING = ".incoming."
"""Followed by the pid of who unpacks; what such a process left is removed by the next one."""
_HOME = "@HOME@"
_EXCHANGE, _HERE = 2, -100
_PATIENCE = 120


def place(incoming: Path, prefix: Path) -> Tree:
    """Under the name of its version; the same version once more takes the place of the one that is there, which may be damaged.

    Raises ReleaseInvalid for a tree that does not run here; NoSpace, CannotWrite, PermissionRefused.
    """
    tree = read(incoming, prefix)
    if tree is None:
        raise ReleaseInvalid(f"{incoming} is not a whole tree of this program")
    home = prefix / tree.version
    with writing_to(incoming):
        for path in (incoming / "bin").iterdir():
            path.write_text(path.read_text("utf-8").replace(_HOME, str(home)), "utf-8")
        refuse_unable(incoming, tree.version)
        os.sync()  # thousands of files: one by one would take minutes on an SD card
        if home.exists():
            _exchange(incoming, home)
            sync_folder(prefix)
            shutil.rmtree(incoming)
        else:
            incoming.rename(home)
            sync_folder(prefix)
    placed = read(home, prefix)
    assert placed is not None  # noqa: S101  (it was read under its name before)
    return placed


@contextmanager
def found_by(incoming: Path, home: Path) -> Iterator[None]:
    """For the block, the old name leads to the new one: the interpreter that installs was started there, and imports some modules late."""
    with writing_to(incoming):
        incoming.symlink_to(home)
    try:
        yield
    finally:
        incoming.unlink(missing_ok=True)


def refuse_unable(tree: Path, version: str) -> None:
    """Raises ReleaseInvalid unless its interpreter and the modules of its commands run on this box."""
    try:
        loader = next((tree / "runtime").glob("ld-linux-*"))
        python = [str(loader), "--inhibit-cache", "--library-path", str(tree / "runtime"), "--argv0", str(tree / "bin" / "python")]
        code = "import ssl, sqlite3, kelvin_provision; print(kelvin_provision.__version__)"
        words = [*python, str(tree / "runtime" / "python3.11"), "-I", "-c", code]  # its launchers name the path that it will have
        done = subprocess.run(words, capture_output=True, text=True, timeout=_PATIENCE, check=False)
        answer, trouble = done.stdout.strip(), done.stderr.strip()
    except (OSError, StopIteration, subprocess.SubprocessError) as error:
        answer, trouble = "", str(error)
    if answer != version:
        last = trouble.splitlines()[-1] if trouble else f"it says {answer!r}"
        raise ReleaseInvalid(f"version {version} does not run on this box: {last}")


def _exchange(first: Path, second: Path) -> None:
    """In one step (renameat2(2)); where the filesystem cannot, in two."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is not None and rename(_HERE, os.fsencode(first), _HERE, os.fsencode(second), _EXCHANGE) == 0:
        return
    aside = first.with_name(f"{first.name}.old")
    second.rename(aside)
    first.rename(second)
    aside.rename(first)


def remove_leftovers(prefix: Path, keep: Path) -> None:
    """What installations left that were interrupted; not that of one that runs now."""
    for path in prefix.glob(f"{INCOMING}*"):
        if path != keep and not _is_alive(path.name.removeprefix(INCOMING).partition(".")[0]):
            if path.is_symlink():
                path.unlink(missing_ok=True)
            else:
                shutil.rmtree(path, ignore_errors=True)


def _is_alive(pid: str) -> bool:
    return pid.isdigit() and Path(f"/proc/{pid}").exists()


def remove_older(trees: tuple[Tree, ...]) -> Iterator[Tree]:
    """All but the current version and the one before. A tree loses its name first, so that none is there in part."""
    for tree in trees:
        if not tree.current and not tree.previous:
            going = tree.path.with_name(f"{INCOMING}0.{tree.path.name}")
            with suppress(OSError):
                tree.path.rename(going)
                shutil.rmtree(going)
                yield tree
