"""What leads to the program from elsewhere: the command, manual pages and completions as links over `current`, and units."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.durable import write_durably, writing_to
from kelvin_provision.systemd.environment import CURRENT

NAME = "kelvin-provision"
_PREFIX = "@PREFIX@"


@dataclass(frozen=True)
class Outside:
    """Folders of this box; `root` is another one in tests. `units` are written where systemd is installed."""

    root: Path = Path("/")

    @property
    def local(self) -> Path:
        return self.root / "usr/local"

    @property
    def units(self) -> Path:
        return self.local / "lib/systemd/system"

    @property
    def has_systemd(self) -> bool:
        return any((self.root / place).exists() for place in ("run/systemd/system", "lib/systemd/systemd", "usr/lib/systemd/systemd"))


def links(prefix: Path, outside: Outside) -> Iterator[tuple[Path, Path]]:
    """Each link and where it leads."""
    current = prefix / CURRENT
    yield outside.local / "bin" / NAME, current / "bin" / NAME
    for page in sorted((current / "share/man/man1").glob("*.1")):
        yield outside.local / "share/man/man1" / page.name, page
    completions = current / "share/completions"
    yield outside.local / "share/bash-completion/completions" / NAME, completions / f"{NAME}.bash"
    yield outside.local / "share/zsh/site-functions" / f"_{NAME}", completions / f"{NAME}.zsh"
    yield outside.local / "share/fish/vendor_completions.d" / f"{NAME}.fish", completions / f"{NAME}.fish"


def refresh(prefix: Path, outside: Outside) -> tuple[str, ...]:
    """As the current version has them. Returns a warning for each name that another program has taken; it is left alone."""
    warnings = []
    for link, goal in links(prefix, outside):
        if os.path.lexists(link) and not _is_ours(link, prefix):
            warnings.append(f"{link} is not of this program and was left alone; the program is {goal}")
            continue
        with writing_to(link):
            link.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            beside = link.with_name(f".{link.name}.new")
            beside.unlink(missing_ok=True)
            beside.symlink_to(goal)
            beside.replace(link)
    for link in _dangling(prefix, outside):
        link.unlink(missing_ok=True)
    if outside.has_systemd:
        for unit in sorted((prefix / CURRENT / "share/units").iterdir()):
            outside.units.mkdir(mode=0o755, parents=True, exist_ok=True)
            text = unit.read_text("utf-8").replace(_PREFIX, str(prefix))
            write_durably(outside.units / unit.name, [text.encode()], mode=0o644)
    return tuple(warnings)


def remove(prefix: Path, outside: Outside) -> None:
    """Everything that `refresh` made, of whichever version, and folders that it made."""
    for folder in _folders(outside):
        if folder.is_dir():
            for path in list(folder.iterdir()):
                if (path.is_symlink() and _is_ours(path, prefix)) or path.name.startswith(f".{NAME}"):
                    path.unlink(missing_ok=True)
    for unit in outside.units.glob(f"{NAME}-*"):
        if str(prefix) in unit.read_text("utf-8", errors="replace") or unit.suffix in {".path", ".socket"}:
            unit.unlink(missing_ok=True)
    for folder in (*_folders(outside), outside.units):
        _remove_empty(folder, outside.local)


def _folders(outside: Outside) -> tuple[Path, ...]:
    share = outside.local / "share"
    places = ("man/man1", "bash-completion/completions", "zsh/site-functions", "fish/vendor_completions.d")
    return (outside.local / "bin", *(share / place for place in places))


def _dangling(prefix: Path, outside: Outside) -> Iterator[Path]:
    """Pages of a version that had more of them."""
    for folder in _folders(outside):
        if folder.is_dir():
            yield from (path for path in folder.iterdir() if path.is_symlink() and _is_ours(path, prefix) and not path.exists())


def _is_ours(link: Path, prefix: Path) -> bool:
    return link.is_symlink() and link.readlink().is_relative_to(prefix)


def _remove_empty(folder: Path, top: Path) -> None:
    """Folders that are there for us alone; `/usr/local/bin` and the like may be empty on any box, and stay."""
    while folder not in {top, top / "bin", top / "share", top / "lib", top / "share/man"}:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent
