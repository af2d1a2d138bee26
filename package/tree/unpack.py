"""What is taken out of Debian packages and wheels, and where it goes."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

SITE = "lib/python3/dist-packages"
"""Where Debian's interpreter looks for libraries below its prefix."""
_LEFT_OUT = re.compile(
    r"lib/python3\.11/(test|idlelib|lib2to3|pydoc_data|ensurepip|turtledemo|tkinter|curses|dbm)/"
    r"|lib/python3\.11/(turtle|antigravity|this|sitecustomize|EXTERNALLY-MANAGED)\b"
    r"|share/zoneinfo/(posix|right)/|share/zoneinfo/(localtime|posixrules)"
    r"|runtime/(libBrokenLocale|libc_malloc_debug|libmemusage|libpcprofile|libthread_db|libnss_hesiod|libnsl)\b"
    r"|lib-dynload/(_curses|_curses_panel|_crypt|_ctypes_test|_dbm|_test[a-z]*|_xxtestfuzz|xxlimited(_35)?|nis|ossaudiodev|readline)\."
)
"""Tests, graphics, debuggers, zones once more, and modules whose libraries would have to come along for nothing."""
_ASYNCHRONOUS = "kubernetes/aio/"
"""A second client for all of Kubernetes, 68 MB, which the program does not import."""
_PLACES = (
    (re.compile(r"usr/bin/(python3\.11)"), r"runtime/\1"),
    (re.compile(r"usr/(lib/python3\.11/.+)"), r"\1"),
    (re.compile(r"(?:usr/)?lib/[a-z0-9_]+-linux-gnu/(ld-linux-[a-z0-9_-]+\.so\.\d)"), r"runtime/\1"),
    (re.compile(r"(?:usr/)?lib/[a-z0-9_]+-linux-gnu/(lib[A-Za-z0-9_.+-]+\.so[0-9.]*)"), r"runtime/\1"),
    (re.compile(r"usr/share/(zoneinfo/.+)"), r"share/\1"),
    (re.compile(r"usr/share/(ca-certificates/mozilla/.+\.crt)"), r"share/\1"),
    (re.compile(r"usr/share/doc/([^/]+)/copyright"), r"share/licenses/debian/\1"),
)


def deb(file: Path, tree: Path) -> None:
    """Files as they are, links below the same folder as links, all others resolved in the archive."""
    data = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(file)], check=True, stdout=subprocess.PIPE).stdout
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            place = _place(member.name.removeprefix("./"))
            if place is None or member.isdir():
                continue
            target = tree / place
            target.parent.mkdir(parents=True, exist_ok=True)
            if member.issym() and "/" not in member.linkname:
                target.unlink(missing_ok=True)
                target.symlink_to(member.linkname)
            elif member.issym() and not member.linkname.startswith("/"):
                _link(tree, place, member)
            elif member.isfile() or member.islnk():
                _write(archive, member, target)


def _link(tree: Path, place: str, member: tarfile.TarInfo) -> None:
    """Of time zones, which lead to others over folders."""
    goal = _place(str(PurePosixPath(_joined(PurePosixPath(member.name.removeprefix("./")).parent, member.linkname))))
    if goal is not None:
        (tree / place).symlink_to(os.path.relpath(goal, PurePosixPath(place).parent))


def _joined(folder: PurePosixPath, link: str) -> str:
    parts = list(folder.parts)
    for part in PurePosixPath(link).parts:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    content = archive.extractfile(member)
    if content is None:
        raise tarfile.ExtractError(f"{member.name} has no content")
    target.unlink(missing_ok=True)
    with content, target.open("wb") as file:
        shutil.copyfileobj(content, file)
    target.chmod(0o755 if member.mode & 0o100 else 0o644)


def _place(name: str) -> str | None:
    """Where a file of a Debian package goes; None for what is left out."""
    for pattern, place in _PLACES:
        match = pattern.fullmatch(name)
        if match:
            found = match.expand(place)
            return None if _LEFT_OUT.search(found) else found
    return None


def wheel(file: Path, tree: Path) -> None:
    """The libraries of a wheel. Its scripts are left out: nobody types them here."""
    site = tree / SITE
    with zipfile.ZipFile(file) as archive:
        for name in _wanted(archive):
            target = site / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(archive.read(name))
            target.chmod(0o644)


def _wanted(archive: zipfile.ZipFile) -> Iterator[str]:
    for name in archive.namelist():
        top = PurePosixPath(name).parts[0]
        if (
            not name.endswith("/")
            and not top.endswith(".data")
            and not name.startswith(_ASYNCHRONOUS)
            and ".." not in PurePosixPath(name).parts
        ):
            yield name
