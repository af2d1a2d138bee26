"""Debian packages of any architecture, by the apt of this machine, with lists and a status of our own: nothing is installed."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from urllib.parse import unquote

from package.inputs.cache import CACHE, cached
from package.inputs.lock import Deb

PACKAGES = (
    "ca-certificates",
    "gcc-12-base",  # the licence of libgcc-s1
    "libbz2-1.0",
    "libc6",
    "libexpat1",
    "libffi8",
    "libgcc-s1",
    "liblzma5",
    "libpython3.11-minimal",
    "libpython3.11-stdlib",
    "libsqlite3-0",
    "libssl3",
    "libuuid1",
    "python3.11-minimal",
    "tzdata",
    "zlib1g",
)
_CONFIGURATION = """\
APT::Architecture "{architecture}";
APT::Architectures {{ "{architecture}"; }};
APT::Sandbox::User "";
Acquire::Languages "none";
Dir::State "{folder}/state";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}/cache";
"""
_LINE = re.compile(r"'(?P<uri>[^']+)' (?P<file>\S+) \d+ SHA256:(?P<sha256>[0-9a-f]{64})")


class NotInArchiveError(Exception):
    """The archive has another version by now, or apt here is another suite's."""


@cache
def _apt(architecture: str) -> dict[str, str]:
    """The environment in which apt is of this architecture; its lists are fetched once a run."""
    folder = CACHE / f"apt-{architecture}"
    for part in ("state/lists/partial", "cache/archives/partial"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "status").touch()
    (folder / "apt.conf").write_text(_CONFIGURATION.format(architecture=architecture, folder=folder), "utf-8")
    environment = os.environ | {"APT_CONFIG": str(folder / "apt.conf"), "LC_ALL": "C"}
    subprocess.run(["apt-get", "-qq", "update"], env=environment, check=True, stdout=subprocess.DEVNULL)
    return environment


def newest(architecture: str, packages: Sequence[str] = PACKAGES) -> Iterable[Deb]:
    """As the archive has them now."""
    lines = _download(architecture, ["--print-uris", *packages], CACHE)
    found = [match for match in map(_LINE.search, lines.splitlines()) if match]
    if len(found) != len(packages):
        raise NotInArchiveError(f"of {len(packages)} packages apt has {len(found)}; this needs the sources of Debian 12")
    for match in found:
        name, version, own = Path(match["file"]).stem.split("_")
        path = f"pool/{unquote(match['uri']).partition('/pool/')[2]}"
        suite = "bookworm-security" if path.startswith("pool/updates/") else "bookworm"
        yield Deb(name, unquote(version), own, suite, path, match["sha256"])


def fetched(deb: Deb, architecture: str) -> Path:
    """The file; from the archive unless it is in the cache."""

    def fetch() -> Path:
        folder = CACHE / "incoming" / f"{architecture}-{deb.name}"
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        _download(architecture, [f"{deb.name}={deb.version}"], folder)
        (came,) = folder.glob("*.deb")
        return came

    return cached(f"{deb.name}_{deb.architecture}.deb", deb.sha256, fetch)


def _download(architecture: str, words: Sequence[str], folder: Path) -> str:
    done = subprocess.run(
        ["apt-get", "-q", "download", *words], env=_apt(architecture), cwd=folder, check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise NotInArchiveError(f"{done.stderr.strip()}\nIf the archive has another version by now: make package-lock")
    return done.stdout
