"""Wheels of CPython 3.11 for any architecture, by pip: what a resolution gives now, and files by their digest."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path

from package.inputs.cache import CACHE, cached
from package.inputs.lock import ALL, Wheel

MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
_GLIBC = (17, 24, 26, 27, 28, 31, 34, 35, 36)
"""Minor versions of the C library whose wheels run with Debian 12's."""
BUILD = ("setuptools",)
_FOR_AIO = {"aiohappyeyeballs", "aiohttp", "aiohttp-retry", "aiosignal", "attrs", "frozenlist", "multidict", "propcache", "yarl"}
"""What only the asynchronous half of the library kubernetes needs, which is left out (tree/unpack)."""


def _targets(architecture: str) -> list[str]:
    machine = MACHINES[architecture]
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in reversed(_GLIBC)] + [f"manylinux2014_{machine}"]
    words = ["--only-binary=:all:", "--python-version=3.11", "--implementation=cp", "--abi=cp311", "--abi=abi3", "--abi=none"]
    return words + [f"--platform={platform}" for platform in platforms]


def requirements(project: Path) -> list[str]:
    """Of the program, with what its API needs."""
    content = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["project"]
    return [*content["dependencies"], *content["optional-dependencies"]["api"]]


def newest(architecture: str, wanted: Sequence[str]) -> Iterable[Wheel]:
    """What pip would install now, with everything that it needs."""
    with tempfile.NamedTemporaryFile("r") as report:
        words = ["install", "--quiet", "--dry-run", "--ignore-installed", "--target", "none", "--report", report.name]
        _pip([*words, *_targets(architecture), *wanted])
        rows = json.load(report)["install"]
    for row in rows:
        if row["metadata"]["name"].lower().replace("_", "-") in _FOR_AIO:
            continue
        file, info = row["download_info"]["url"].rpartition("/")[2], row["download_info"]["archive_info"]
        own = ALL if file.endswith("-none-any.whl") else architecture
        yield Wheel(row["metadata"]["name"], row["metadata"]["version"], own, file, info["hashes"]["sha256"])


def fetched(wheel: Wheel) -> Path:
    """The file; from the registry unless it is in the cache."""

    def fetch() -> Path:
        folder = CACHE / "incoming" / wheel.sha256[:16]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "requirements.txt").write_text(f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.sha256}\n", "utf-8")
        architecture = wheel.architecture if wheel.architecture in MACHINES else "amd64"
        words = ["download", "--quiet", "--no-deps", "--require-hashes", "--dest", str(folder), *_targets(architecture)]
        _pip([*words, "--requirement", str(folder / "requirements.txt")])
        return folder / wheel.file

    return cached(wheel.file, wheel.sha256, fetch)


def _pip(words: Sequence[str]) -> None:
    subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", *words], check=True, stderr=subprocess.PIPE)
