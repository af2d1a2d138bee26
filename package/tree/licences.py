"""Who made what is in a tree, under which licence, and where its text is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser
from pathlib import Path

from package.inputs.lock import Deb, Lock, Wheel
from package.tree.unpack import SITE

_TEXTS = ("licen", "copying", "notice", "authors")


@dataclass(frozen=True)
class Component:
    """One package that came from elsewhere. `texts` are paths in the tree."""

    kind: str
    name: str
    version: str
    licence: str
    sha256: str
    file: str
    texts: tuple[str, ...]


def components(tree: Path, lock: Lock, architecture: str) -> Iterator[Component]:
    """Sorted as in the lock. Raises LookupError for one without a licence."""
    for deb in lock.debs_for(architecture):
        yield _deb(tree, deb)
    metadata = {_normal(content["Name"]): (folder, content) for folder, content in _installed(tree)}
    for wheel in lock.wheels_for(architecture):
        yield _wheel(tree, wheel, *metadata[_normal(wheel.name)])


def _deb(tree: Path, deb: Deb) -> Component:
    text = f"share/licenses/debian/{_DOCUMENTED.get(deb.name, deb.name)}"
    if not (tree / text).is_file():
        raise LookupError(f"{deb.name} has no copyright file")
    return Component("deb", deb.name, deb.version, "see its copyright file", deb.sha256, deb.path, (text,))


_DOCUMENTED = {"libgcc-s1": "gcc-12-base", "libpython3.11-stdlib": "libpython3.11-minimal"}
"""Packages whose documentation is in another one."""


def _wheel(tree: Path, wheel: Wheel, folder: Path, metadata: Message) -> Component:
    found = sorted(path for path in folder.rglob("*") if path.is_file() and path.name.lower().startswith(_TEXTS))
    names = [line.rpartition(" :: ")[2] for line in metadata.get_all("Classifier", []) if line.startswith("License ::")]
    short = str(metadata.get("License") or "").strip()
    licence = str(metadata.get("License-Expression") or "; ".join(names) or (short if "\n" not in short else ""))
    if not licence and not found:
        raise LookupError(f"{wheel.name} names no licence")
    texts = tuple(str(path.relative_to(tree)) for path in found)
    return Component("pypi", wheel.name, wheel.version, licence or "see its text", wheel.sha256, wheel.file, texts)


def _installed(tree: Path) -> Iterator[tuple[Path, Message]]:
    for path in sorted((tree / SITE).glob("*.dist-info/METADATA")):
        yield path.parent, BytesHeaderParser().parsebytes(path.read_bytes())


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")
