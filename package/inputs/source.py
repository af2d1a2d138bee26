"""The commit that is packaged: its files, its time, and what it is called."""

from __future__ import annotations

import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

_VERSION = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)


@dataclass(frozen=True)
class Source:
    """`folder` has the files of the commit, with the whole version in them. `epoch` is SOURCE_DATE_EPOCH."""

    folder: Path
    version: str
    commit: str
    epoch: int


def exported(project: Path, folder: Path) -> Source:
    """The files of HEAD. Changes that are not committed are left out: they would be in a package that names this commit."""
    folder.mkdir(parents=True)
    commit, epoch = _git(project, "log", "-1", "--format=%H %ct").split()
    with subprocess.Popen(["git", "-C", str(project), "archive", commit], stdout=subprocess.PIPE) as archive:
        subprocess.run(["tar", "-x", "-C", str(folder)], stdin=archive.stdout, check=True)
    if archive.returncode:
        raise subprocess.CalledProcessError(archive.returncode, "git archive")
    init = folder / "kelvin_provision" / "__init__.py"
    text = init.read_text("utf-8")
    (base,) = _VERSION.findall(text)
    version = _version(project, base, commit, int(epoch))
    init.write_text(_VERSION.sub(f'__version__ = "{version}"', text), "utf-8")
    return Source(folder, version, commit, int(epoch))


def _version(project: Path, base: str, commit: str, epoch: int) -> str:
    """That of the release for the commit that has its tag; else with time and commit, which sorts behind it for dpkg and pip."""
    tags = _git(project, "tag", "--points-at", commit).split()
    if f"v{base}" in tags:
        return base
    return f"{base}+{time.strftime('%Y%m%d.%H%M%S', time.gmtime(epoch))}.g{commit[:8]}"


def _git(project: Path, *words: str) -> str:
    return subprocess.run(["git", "-C", str(project), *words], check=True, capture_output=True, text=True).stdout
