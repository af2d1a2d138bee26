"""The commands of a tree: shell scripts that start its interpreter by its own loader, so that the C library of the box does not matter."""

from __future__ import annotations

from pathlib import Path

LOADERS = {"amd64": "ld-linux-x86-64.so.2", "arm64": "ld-linux-aarch64.so.1"}
FILES = Path(__file__).parents[1] / "files"


def write(tree: Path, architecture: str, home: str) -> None:
    """`home` is the absolute path that the tree will have."""
    (tree / "bin").mkdir(exist_ok=True)
    for name, arguments in (("python", ""), ("kelvin-provision", " -m kelvin_provision")):
        text = (FILES / "launcher.sh").read_text("utf-8")
        for key, value in (("@HOME@", home), ("@LOADER@", LOADERS[architecture]), ("@ARGUMENTS@", arguments)):
            text = text.replace(key, value)
        (tree / "bin" / name).write_text(text, "utf-8")
        (tree / "bin" / name).chmod(0o755)
