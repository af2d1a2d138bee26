"""The tree as one self-extracting file: a shell script, and behind it a tar by gzip, which every busybox unpacks."""

from __future__ import annotations

import gzip
import hashlib
import tarfile
from pathlib import Path

from package.inputs.source import Source
from package.inputs.wheels import MACHINES
from package.output import documents, units
from package.tree.launchers import FILES, LOADERS

_ROOM = 16 << 10
"""KiB that have to be free beside the tree: for blocks that files do not fill."""
_PREFIX = "@PREFIX@"


def complete(tree: Path, source: Source, rights: str) -> None:
    """What the installer links to from elsewhere, and texts."""
    share = tree / "share"
    for pattern, place in (("man/*.1", "man/man1"), ("completions/*", "completions")):
        for path in source.folder.glob(pattern):
            _write(share / place / path.name, path.read_bytes())
    for name, text in units.rendered(_PREFIX).items():
        _write(share / "units" / name, text.encode())
    _write(share / "doc/config.yaml", documents.example().encode())
    _write(share / "doc/copyright", rights.encode())


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def build(tree: Path, source: Source, architecture: str, *, work: Path, dist: Path) -> Path:
    """The file in `dist`. Its tree has no path yet: the installer fills that in."""
    payload = work.with_suffix(".tar.gz")
    with payload.open("wb") as file, gzip.GzipFile("", "wb", 6, file, source.epoch) as packed:
        _pack(tree, packed, source.epoch)
    text = _script(tree, source, architecture, payload)
    made = dist / f"kelvin-provision-{source.version}-linux-{architecture}.run"
    with made.open("wb") as file, payload.open("rb") as content:
        file.write(text)
        while chunk := content.read(1 << 20):
            file.write(chunk)
    made.chmod(0o755)
    payload.unlink()
    return made


def _pack(tree: Path, packed: gzip.GzipFile, epoch: int) -> None:
    """Sorted, of root, at the time of the commit; in the form of GNU, which busybox reads."""
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path in sorted(tree.rglob("*")):
            member = archive.gettarinfo(path, str(path.relative_to(tree)))
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            member.mtime = epoch
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            if member.isfile():
                with path.open("rb") as content:
                    archive.addfile(member, content)
            else:
                archive.addfile(member)


def _script(tree: Path, source: Source, architecture: str, payload: Path) -> bytes:
    with payload.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    blocks = sum(-(-path.lstat().st_size // 4096) * 4 for path in tree.rglob("*") if not path.is_symlink())
    values = {
        "VERSION": source.version,
        "ARCHITECTURE": architecture,
        "MACHINE": MACHINES[architecture],
        "LOADER": LOADERS[architecture],
        "UNPACKED": str(blocks + _ROOM),
        "DIGEST": digest,
    }
    text = (FILES / "run.sh").read_text("utf-8")
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    return _measured(text, payload.stat().st_size)


def _measured(text: str, payload: int) -> bytes:
    """With its own length in it: always of ten digits, so that it does not change the length."""
    length = len(text.encode()) - len("@BYTES@") - len("@SKIP@") + 2 * 10
    script = text.replace("@BYTES@", f"{length + payload:<10}").replace("@SKIP@", f"{length + 1:<10}").encode()
    if len(script) != length:
        raise AssertionError("the script has another length than it says")
    return script
