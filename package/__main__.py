"""`make package [ARGS="--arch arm64 --fresh"]`, and `make package-lock`."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from package.inputs import lock, locking, source
from package.output import deb, documents, python_dist, run, sbom
from package.tree import assemble
from package.tree.licences import components

PROJECT = Path(__file__).parents[1]
FORMS = ("run", "deb")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m package")
    parser.add_argument("what", nargs="?", choices=("all", "lock"), default="all")
    parser.add_argument("--arch", action="append", choices=lock.ARCHITECTURES, help="default: every one")
    parser.add_argument("--fresh", action="store_true", help="build the trees again instead of taking them from the cache")
    parser.add_argument("--project", type=Path, default=PROJECT, help="the repository whose HEAD is packaged")
    parser.add_argument("--form", action="append", choices=FORMS, help="default: both")
    parser.add_argument("--dist", type=Path, help="default: dist in the repository")
    words = parser.parse_args()
    if words.what == "lock":
        locking.renew()
        return 0
    os.umask(0o022)  # the modes in the packages are not those of whoever builds them
    dist = words.dist or words.project / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    dist.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="kelvin-provision-package-", dir=dist) as work:
        build(words, Path(work), dist)
    _say(time.monotonic(), sbom.write_sums(dist))
    return 0


def build(words: argparse.Namespace, work: Path, dist: Path) -> None:
    """Everything that was asked for, into `dist`."""
    began, locked = time.monotonic(), lock.read()
    commit = source.exported(words.project, work / "source")
    _, wheel = made = python_dist.build(commit, locked.build, work / "python", dist)
    _say(began, *made)
    forms, bases = words.form or FORMS, work / "bases" if words.fresh else assemble.TREES
    for architecture in words.arch or lock.ARCHITECTURES:
        tree = assemble.tree(commit, wheel, locked, architecture, work / f"tree-{architecture}", bases=bases)
        parts = tuple(components(tree, locked, architecture))
        _say(began, sbom.write(parts, commit, architecture, dist))
        run.complete(tree, commit, documents.copyright_file(parts, "."))
        if "run" in forms:
            _say(began, run.build(tree, commit, architecture, work=work / f"run-{architecture}", dist=dist))
        if "deb" in forms:
            _say(began, deb.build(tree, commit, architecture, parts, work=work / f"deb-{architecture}", dist=dist))


def _say(began: float, *paths: Path) -> None:
    for path in paths:
        sys.stdout.write(f"{time.monotonic() - began:6.1f} s  {path.stat().st_size / 1e6:6.1f} MB  {path.name}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
