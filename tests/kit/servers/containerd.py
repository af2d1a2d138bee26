"""Debian's containerd, or a newer one, with a root, a state and a socket of its own. Needs root: it unpacks layers and mounts them for that."""

import os
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kit.servers.newer import path_with
from tests.kit.servers.process import running

CONFIG = """
version = {version}
root = "{folder}/root"
state = "{folder}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime",
  "io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.btrfs"]
[grpc]
  address = "{folder}/containerd.sock"
[ttrpc]
  address = "{folder}/containerd.sock.ttrpc"
"""


def connects(address: str):
    def answers() -> bool:
        with socket.socket(socket.AF_UNIX) as door:
            door.connect(address)
            return True

    return answers


@contextmanager
def containerd_server(folder: Path, *, programs: Path | None = None):
    """A containerd, the installed one or that of `programs`; yields the path of its socket. Nothing of it stays mounted."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.toml").write_text(CONFIG.format(folder=folder, version=3 if programs else 2))
    address = f"{folder}/containerd.sock"
    before = mounts_below(folder)
    program = str(programs / "containerd") if programs else "containerd"
    with running([program, "-c", str(folder / "config.toml")], folder / "log", connects(address), env=path_with(programs)):
        yield address
    left = [place for place in mounts_below(folder) if place not in before]
    for place in reversed(left):
        subprocess.run(["umount", "-l", place], check=True)
    assert not left, f"containerd left mounts: {left}"


def mounts_below(folder: Path) -> list[str]:
    places = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    return [place for place in places if place.startswith(f"{folder}/")]


@pytest.fixture(scope="session")
def containerd():
    """The socket of one containerd for the whole run; tests use images of their own."""
    for program in ("containerd", "ctr"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    if os.geteuid() != 0:
        pytest.skip("containerd needs root")
    # Not below pytest's folder: a socket's path has at most 107 characters.
    with tempfile.TemporaryDirectory(prefix="containerd-") as folder, containerd_server(Path(folder)) as address:
        yield address
