"""Installing a tree that was unpacked, the way back, and removing everything. One at a time; each may be repeated after an interruption."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kelvin_provision.errors import Locked, ReleaseMissing, StateTooNew
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.durable import writing_to
from kelvin_provision.files.lock import exclusive
from kelvin_provision.hints import system
from kelvin_provision.installation import outside as elsewhere
from kelvin_provision.installation import placing, services
from kelvin_provision.installation.outside import Outside
from kelvin_provision.installation.trees import PREVIOUS, Tree, switch, target, trees
from kelvin_provision.systemd.environment import CURRENT

LOCK = ".lock"
DPKG = Path("/usr/lib/kelvin-provision")
STATE = (Path("/var/lib/kelvin-provision"), Path("/etc/kelvin-provision"))


@dataclass(frozen=True)
class Changed:
    """`before` is the version that was the current one, empty for none; `removed` are versions that had to go."""

    tree: Tree
    before: str
    removed: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def install(incoming: Path, prefix: Path, outside: Outside) -> Changed:
    """Make the unpacked tree the current version. Raises what `placing.place` raises, and Locked."""
    with _one_at_a_time(prefix):
        placing.remove_leftovers(prefix, incoming)
        before = target(prefix, CURRENT)
        tree = placing.place(incoming, prefix)
        with placing.found_by(incoming, tree.path):
            switch(prefix, tree.path.name)
            warnings = (*elsewhere.refresh(prefix, outside), *services.restart(prefix))
            removed = tuple(tree.version for tree in placing.remove_older(trees(prefix)))
    return Changed(next(tree for tree in trees(prefix) if tree.current), before, removed, warnings)


def roll_back(prefix: Path, outside: Outside) -> Changed:
    """Make the version before the current one. Raises ReleaseMissing without one, StateTooNew if it cannot read the ledger."""
    if prefix == DPKG:
        file = system("dpkg", "-i", "kelvin-provision_VERSION_ARCH.deb", instruction="install the older package")
        raise ReleaseMissing("this program is a Debian package, which has one version of it", hint=file)
    with _one_at_a_time(prefix):
        before, to = target(prefix, CURRENT), target(prefix, PREVIOUS)
        candidate = next((tree for tree in trees(prefix) if tree.path.name == to and not tree.current), None)
        if candidate is None:
            raise ReleaseMissing("there is no version before this one")
        _refuse_unreadable_state(candidate)
        switch(prefix, to)
        warnings = (*elsewhere.refresh(prefix, outside), *services.restart(prefix))
    return Changed(next(tree for tree in trees(prefix) if tree.current), before, (), warnings)


def _refuse_unreadable_state(tree: Tree) -> None:
    """By asking it: each version knows up to which schema it reads."""
    import subprocess

    words = [str(tree.path / "bin" / "kelvin-provision"), "workloads", "list", "--json"]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    with suppress(ValueError, TypeError, KeyError):
        error = json.loads(done.stdout)["error"]
        if error["code"] == StateTooNew.code:
            raise StateTooNew(f"version {tree.version} cannot read the state of this box any more: {error['message']}")


def uninstall(prefix: Path, outside: Outside, *, purge: bool) -> tuple[str, ...]:
    """Services, links and all versions; with `purge` state and settings, too. Returns what stays.

    Raises Locked while a change is under way.
    """
    with _one_at_a_time(prefix):
        if target(prefix, CURRENT) and not services.end(prefix):
            raise Locked("a change is under way, or a service could not be removed; nothing was removed")
        elsewhere.remove(prefix, outside)
        if services.booted():
            services.systemctl("daemon-reload")
        with writing_to(prefix):
            for name in (CURRENT, PREVIOUS):  # from now on there is nothing to start
                (prefix / name).unlink(missing_ok=True)
            for path in (*(tree.path for tree in trees(prefix)), *prefix.glob(f"{placing.INCOMING}*")):
                shutil.rmtree(path)
            (prefix / LOCK).unlink(missing_ok=True)
    with suppress(OSError):
        prefix.rmdir()
    state = [outside.root / path.relative_to("/") for path in STATE]
    if purge:
        for path in state:
            shutil.rmtree(path, ignore_errors=True)
    return tuple(str(path) for path in (prefix, *state) if path.exists())


@contextmanager
def _one_at_a_time(prefix: Path) -> Iterator[None]:
    """Raises Locked, PermissionRefused."""
    with exclusive(prefix / LOCK, command="installation"):
        yield
