"""sdist and wheel, by the setuptools of the lock; the same bytes from the same commit."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

from package.inputs import wheels
from package.inputs.lock import Wheel
from package.inputs.source import Source

_HOOK = "import sys; from setuptools import build_meta as hooks; print('\\n' + getattr(hooks, f'build_{sys.argv[1]}')(sys.argv[2]))"


def build(source: Source, tools: Sequence[Wheel], work: Path, dist: Path) -> tuple[Path, Path]:
    """The sdist and the wheel. Nothing is fetched while they are built."""
    work.mkdir(parents=True)
    for tool in tools:
        shutil.unpack_archive(wheels.fetched(tool), work / "tools", "zip")
    shutil.copytree(source.folder, work / "source")
    sdist = _built("sdist", work, source)
    wheel = _built("wheel", work, source)
    made = dist / sdist.name
    _normalised(sdist, made, source.epoch)
    shutil.copyfile(wheel, dist / wheel.name)
    return made, dist / wheel.name


def _built(kind: str, work: Path, source: Source) -> Path:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(work / "tools"),
        "SOURCE_DATE_EPOCH": str(source.epoch),
        "PYTHONHASHSEED": "0",
        "LC_ALL": "C.UTF-8",
    }
    words = [sys.executable, "-c", _HOOK, kind, str(work)]
    done = subprocess.run(words, cwd=work / "source", env=environment, check=False, capture_output=True, text=True)
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, f"build_{kind}", stderr=done.stderr)
    return work / done.stdout.splitlines()[-1]


def _normalised(sdist: Path, target: Path, epoch: int) -> None:
    """The same files, sorted, owned by root, with the time of the commit: setuptools records the user and the time of the build."""
    data = io.BytesIO()
    with tarfile.open(sdist) as old, tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT) as new:
        for member in sorted(old, key=lambda each: each.name):
            member.mtime, member.uid, member.gid, member.uname, member.gname = epoch, 0, 0, "", ""
            member.mode, member.pax_headers = 0o755 if member.isdir() or member.mode & 0o100 else 0o644, {}
            new.addfile(member, old.extractfile(member) if member.isfile() else None)
    target.write_bytes(gzip.compress(data.getvalue(), mtime=epoch))
