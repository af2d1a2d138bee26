"""The packages of this commit, and of one after it, built once for all workers and kept in the cache."""

import fcntl
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from package.inputs.cache import CACHE

ROOT = Path(__file__).parents[3]
KEPT = 86_400
"""Seconds for which those of other commits stay."""
_IDENTITY = ("-c", "user.name=test", "-c", "user.email=test@test.invalid")
_SECOND = "9.9.9"


def why_not() -> str:
    """Why none can be built, or nothing."""
    if not (ROOT / ".git").exists():
        return "packages are built from a commit, and this is no repository"
    missing = [name for name in ("dpkg-deb", "apt-get", "git") if not shutil.which(name)]
    return f"packages need {', '.join(missing)}" if missing else ""


def first(*words: str, name: str = "first") -> Path:
    """Of this commit."""
    return _built(name, lambda folder: _build(ROOT, folder, *words))


def second(*words: str) -> Path:
    """Of a commit after it that changes nothing but the version."""

    def build(folder):
        clone = folder.with_name("clone")
        shutil.rmtree(clone, ignore_errors=True)
        subprocess.run(["git", "clone", "-q", "--shared", ROOT, clone], check=True)
        init = clone / "kelvin_provision/__init__.py"
        init.write_text(f'"""The second."""\n\n__version__ = "{_SECOND}"\n')
        dates = {"GIT_AUTHOR_DATE": "2100000000 +0000", "GIT_COMMITTER_DATE": "2100000000 +0000"}
        subprocess.run(["git", "-C", clone, *_IDENTITY, "commit", "-qam", "second"], env=os.environ | dates, check=True)
        _build(clone, folder, *words)

    return _built("second", build)


def _build(project, folder, *words):
    command = [sys.executable, "-m", "package", "--project", project, "--dist", folder, *words]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def _built(name, build) -> Path:
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    tests = CACHE / "tests"
    folder = tests / commit / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(tests / ".lock"):
        if not (folder / "SHA256SUMS").exists():
            for old in tests.iterdir():
                if old.is_dir() and old != folder.parent and time.time() - old.stat().st_mtime > KEPT:
                    shutil.rmtree(old)
            build(folder)
    return folder


@contextmanager
def _locked(path):
    """Two builds at once would take twice as long."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
