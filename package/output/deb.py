"""The tree as a Debian package."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from package.inputs.source import Source
from package.output import documents, units
from package.tree import launchers
from package.tree.licences import Component

HOME = "/usr/lib/kelvin-provision"
NAME = "kelvin-provision"
_FILES = Path(__file__).parents[1] / "files" / "debian"


def build(tree: Path, source: Source, architecture: str, components: Iterable[Component], *, work: Path, dist: Path) -> Path:
    """The package in `dist`; `tree` is moved into it."""
    home = f"{HOME}/{source.version}"
    work.mkdir(parents=True)
    _placed(tree, work / home[1:])
    launchers.write(work / home[1:], architecture, home)
    (work / HOME[1:] / "current").symlink_to(source.version)
    (work / "usr/bin").mkdir(parents=True)
    (work / "usr/bin" / NAME).symlink_to(f"../lib/{NAME}/current/bin/{NAME}")
    for name, content in files(source, documents.copyright_file(components, home)).items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_bytes(content)
    (work / "var/lib" / NAME).mkdir(parents=True, mode=0o700)
    _controlled(work, source, architecture)
    date(work, source.epoch)
    made = dist / f"{NAME}_{source.version}_{architecture}.deb"
    environment = os.environ | {"SOURCE_DATE_EPOCH": str(source.epoch)}
    words = ["dpkg-deb", "--root-owner-group", "-Zxz", "-z2", "--build", str(work), str(made)]
    subprocess.run(words, check=True, env=environment, stdout=subprocess.DEVNULL)
    return made


def date(folder: Path, epoch: int) -> None:
    """Everything at one time, links too: dpkg-deb only makes what is newer than that older, and trees in the cache may be older."""
    for path in folder.rglob("*"):
        os.utime(path, (epoch, epoch), follow_symlinks=False)


def _placed(tree: Path, target: Path) -> None:
    """Without what the self-extracting file has in its tree for links from elsewhere."""
    target.parent.mkdir(parents=True)
    shutil.move(tree, target)
    for name in ("man", "completions", "units", "doc"):
        shutil.rmtree(target / "share" / name)


def files(source: Source, rights: str) -> Mapping[str, bytes]:
    """What lies outside of the tree, by path."""
    share, project = "usr/share", source.folder
    made = {f"usr/lib/systemd/system/{name}": text.encode() for name, text in units.rendered(HOME).items()}
    for page in sorted((project / "man").glob("*.1")):
        made[f"{share}/man/man1/{page.name}.gz"] = packed(page.read_bytes())
    completions = project / "completions"
    made[f"{share}/bash-completion/completions/{NAME}"] = (completions / f"{NAME}.bash").read_bytes()
    made[f"{share}/zsh/vendor-completions/_{NAME}"] = (completions / f"{NAME}.zsh").read_bytes()
    made[f"{share}/fish/vendor_completions.d/{NAME}.fish"] = (completions / f"{NAME}.fish").read_bytes()
    made[f"{share}/doc/{NAME}/copyright"] = rights.encode()
    made[f"{share}/doc/{NAME}/changelog.gz"] = packed((project / "CHANGELOG.md").read_bytes())
    made[f"{share}/doc/{NAME}/examples/config.yaml"] = documents.example().encode()
    made[f"{share}/lintian/overrides/{NAME}"] = (_FILES / "lintian-overrides").read_bytes()
    return made


def packed(content: bytes) -> bytes:
    """By gzip, without a name and a time."""
    return gzip.compress(content, 9, mtime=0)


def _controlled(work: Path, source: Source, architecture: str) -> None:
    control = work / "DEBIAN"
    size = sum(-(-path.lstat().st_size // 1024) for path in work.rglob("*") if path.is_file() and not path.is_symlink())
    control.mkdir(mode=0o755)
    text = (_FILES / "control").read_text("utf-8")
    (control / "control").write_text(text.format(version=source.version, architecture=architecture, size=size), "utf-8")
    services = (_FILES / "services.sh").read_text("utf-8")
    for name in ("postinst", "prerm", "postrm"):
        script = (_FILES / name).read_text("utf-8").replace("#SERVICES#\n", services)
        (control / name).write_text(script, "utf-8")
        (control / name).chmod(0o755)
