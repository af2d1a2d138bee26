"""What a command waits for when the program has an interpreter, libraries and a loader of its own, against one that pip has installed."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import venv
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench.measure import Row, paired, run

ROUNDS = 25
DIST = Path(__file__).parents[1] / "dist"
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), "")


def _files() -> tuple[list[Path], list[Path]]:
    return sorted(DIST.glob(f"*-linux-{ARCHITECTURE}.run")), sorted(DIST.glob("*.whl"))


def missing() -> str:
    """Why it cannot be measured."""
    return "" if all(_files()) else "dist/ has no packages (make package)"


def _unpacked(file: Path, folder: Path) -> Path:
    """As the installer places it; without its links elsewhere."""
    script = file.read_bytes()[:8192].decode(errors="replace")
    with file.open("rb") as content:
        content.seek(int(script.partition("skip=")[2].split()[0]) - 1)
        folder.mkdir()
        subprocess.run(["tar", "-xz", "-C", str(folder)], stdin=content, check=True)
    for launcher in (folder / "bin").iterdir():
        launcher.write_text(launcher.read_text("utf-8").replace("@HOME@", str(folder)), "utf-8")
    return folder / "bin" / "kelvin-provision"


def _by_pip(wheel: Path, folder: Path) -> Path:
    """The same commit, with the libraries of this environment."""
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    subprocess.run([sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", f"{wheel}[api]"], check=True)
    return folder / "bin" / "kelvin-provision"


def rows(folder: Path) -> Iterator[Row]:
    """The shortest command, and a list."""
    (file, *_), (wheel, *_) = _files()
    packaged, installed = _unpacked(file, folder / "tree"), _by_pip(wheel, folder / "venv")
    outside = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}  # else pip's would import from here
    environment = outside | {
        "KELVIN_PROVISION_STATE_DIR": str(folder / "packaged"),
        "KELVIN_PROVISION_SITE_CONFIG": str(folder / "none"),
    }
    for words in (["--version"], ["workloads", "list"]):
        ours, other, ratio = paired(
            partial(run, [str(packaged), *words], environment), partial(run, [str(installed), *words], environment), ROUNDS
        )
        yield Row(f"{' '.join(words)}, packaged / by pip", f"{ours * 1000:.0f} ms", f"{other * 1000:.0f} ms", ratio, 1.2)
