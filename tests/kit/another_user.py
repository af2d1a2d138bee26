"""The program as a user who is not root: a real process, with an own home in a folder that this user may enter."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

UID = 65534
ROOT = Path(__file__).parents[2]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@contextmanager
def open_folder():
    """A folder that everybody can enter; pytest's own are closed to other users."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        home = folder / "home"
        home.mkdir(mode=0o700)
        os.chown(home, UID, UID)
        yield folder


@cache
def _python():
    """An interpreter that another user can start: ours may be in root's home."""
    for candidate in (
        sys.executable,
        shutil.which(f"python{sys.version_info.major}.{sys.version_info.minor}", path="/usr/bin:/usr/local/bin"),
    ):
        if candidate and _start([candidate, "-c", "import typer, yaml"], _environment("/")).returncode == 0:
            return candidate
    pytest.skip("no interpreter that another user can start")


def _environment(home):
    path = os.pathsep.join((str(ROOT), sysconfig.get_path("purelib")))
    return {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": path, "KELVIN_PROVISION_SITE_CONFIG": "/nonexistent.yaml"}


def _start(command, environment, cwd="/"):
    try:
        return subprocess.run(
            command, env=environment, cwd=cwd, user=UID, group=UID, extra_groups=[], capture_output=True, text=True, check=False
        )
    except PermissionError:
        return subprocess.CompletedProcess(command, 126, "", "not allowed")


def run_as_another_user(folder, *words, code=None, **variables):
    """`kelvin-provision WORDS`, or with `code` that program with the words as its arguments."""
    start = ["-c", code] if code else ["-m", "kelvin_provision"]
    return _start([_python(), *start, *words], _environment(folder / "home") | variables, folder)
