"""The host: versions, memory, disks, the ends of logs."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from kelvin_provision import __version__, timestamps
from kelvin_provision.files.lock import user
from kelvin_provision.ledger.sqlite.schema import SCHEMA

LIBRARIES = ("docker", "kubernetes", "platformdirs", "pydantic", "pyyaml", "rich", "typer", "urllib3")
MOUNTS = (Path("/"), Path("/var/lib/rancher"), Path("/var/lib/containerd"), Path("/var/lib/docker"), Path("/tmp"))  # noqa: S108  (looked at only)
MAX_FILES = 100_000
TAIL = 512 * 1024
JOURNAL_LINES = 3000


def versions() -> dict[str, Any]:
    """Of the program, its libraries and the host."""
    release = {}
    with suppress(OSError):
        release = platform.freedesktop_os_release()
    return {
        "kelvin_provision": __version__,
        "ledger_schema": SCHEMA,
        "python": sys.version.split()[0],
        "sqlite": sqlite3.sqlite_version,
        "libraries": {name: _version(name) for name in LIBRARIES},
        "system": release.get("PRETTY_NAME", ""),
        "kernel": " ".join(os.uname()),
        "user": user(),
        "time": timestamps.rfc3339_now(),
        "uptime": _first_word(Path("/proc/uptime")),
        "load": _first_word(Path("/proc/loadavg")),
        "memory": _lines(Path("/proc/meminfo"), 3),
        "tools": {name: shutil.which(name) for name in ("ctr", "k3s", "containerd", "dockerd", "systemctl")},
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _lines(path: Path, count: int) -> list[str]:
    try:
        return path.read_text("utf-8").splitlines()[:count]
    except OSError:
        return []


def _first_word(path: Path) -> str:
    return next((word for line in _lines(path, 1) for word in line.split()), "")


def disk(state_dir: Path) -> dict[str, Any]:
    """Free space of the relevant filesystems, and the size of our own folder."""
    filesystems = {}
    for path in (state_dir, *MOUNTS):
        with suppress(OSError):
            status = os.statvfs(path)
            filesystems[str(path)] = {
                "bytes": status.f_blocks * status.f_frsize,
                "free": status.f_bavail * status.f_frsize,
                "inodes": status.f_files,
                "inodes_free": status.f_favail,
                "read_only": bool(status.f_flag & os.ST_RDONLY),
            }
    return {"room": filesystems, "state_dir": str(state_dir), "parts": _parts(state_dir)}


def _parts(folder: Path) -> list[dict[str, Any]]:
    """The entries of a folder with size, mode and owner; at most MAX_FILES files are counted."""
    parts, left = [], MAX_FILES
    with suppress(OSError):
        for path in sorted(folder.iterdir()):
            size = count = 0
            for file in _files(path):
                left -= 1
                if left <= 0:
                    break
                with suppress(OSError):
                    size, count = size + file.lstat().st_size, count + 1
            with suppress(OSError):
                status = path.lstat()
                parts.append({"part": path.name, "bytes": size, "files": count, "mode": f"{status.st_mode:o}", "uid": status.st_uid})
    return parts


def _files(path: Path) -> Iterator[Path]:
    if path.is_symlink() or not path.is_dir():
        yield path
        return
    for folder, _, names in os.walk(path):
        yield from (Path(folder) / name for name in names)


def tail(paths: Iterable[Path]) -> Iterator[str]:
    """The end of each file, oldest file first. Raises OSError if the last one cannot be read."""
    *earlier, last = paths
    for path in earlier:
        with suppress(OSError):
            yield from _end(path)
    yield from _end(last)


def _end(path: Path) -> Iterator[str]:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - TAIL, 0))
        if size > TAIL:
            file.readline()  # the first line is incomplete
        for line in file:
            yield line.decode("utf-8", "replace")


def journal(unit: str) -> str:
    """The journal of a systemd service. Raises OSError without journalctl."""
    command = ["journalctl", "--no-pager", "--output=short-iso", f"--lines={JOURNAL_LINES}", f"--unit={unit}"]
    done = subprocess.run(command, capture_output=True, timeout=15, check=False, stdin=subprocess.DEVNULL)
    return (done.stdout or done.stderr).decode("utf-8", "replace")
