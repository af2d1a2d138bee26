"""Downloads over a link that breaks and by a process that is killed: bytes on the wire, counted by the proxy in between."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.downloading import MIB, fetching, layers_of, measured
from bench.measure import Row
from tests.kit.images import push_each
from tests.kit.killing import Staging
from tests.kit.servers.containerd import containerd_server
from tests.kit.servers.dockerd import own_dockerd, why_not
from tests.kit.servers.proxy import Faults, Proxy
from tests.kit.servers.registry import docker_registry

SIZE, CUT, PATIENCE = 256 * MIB, 4 * MIB, 100.0
"""Layers have 32 MiB. Whoever has not got the image after PATIENCE seconds of being asked again and again has given up."""
KILLS, RATE, KILLED_SIZE = 20, 20e6, 320 * MIB


@dataclass(frozen=True)
class Tried:
    """What a tool needed: bytes on the wire, runs of its command, whether it has the image in the end."""

    sent: int
    runs: int
    done: bool


def rows(folder: Path) -> Iterator[Row]:
    """A line that is cut every 4 MiB, for us and for what one would use instead; then twenty kills."""
    with docker_registry(folder / "registry-links") as host:
        size = push_each(host, "cut", "1", layers_of(SIZE))
        with Proxy(host, Faults(path="/blobs/", cut=CUT)) as proxy:
            measured(fetching(f"{proxy.host}/cut:1", folder / "cut"), folder)
            ours = proxy.sent / size
            yield Row("fetch 256 MiB, cut every 4 MiB: bytes on the wire", f"{ours:.3f}x", "", ours, 1.02)
            for name, found in _others(folder, proxy):
                # Who gave up has nothing to compare with: its bytes say how far it came, or how often.
                what = f"  {name}: {found.runs} runs, {'done' if found.done else 'gave up'}"
                yield Row(what, f"{ours:.3f}x", f"{found.sent / size:.3f}x", ours * size / found.sent if found.done else 0.0, 1.02)
        yield _killed(folder, host)


def _others(folder: Path, proxy: Proxy) -> Iterator[tuple[str, Tried]]:
    name = f"{proxy.host}/cut:1"
    copy = ["skopeo", "copy", "--quiet", "--src-tls-verify=false", f"docker://{name}", f"oci:{folder / 'cut-skopeo'}:x"]
    yield "skopeo copy", _tried(copy, proxy)
    with containerd_server(folder / "cut-containerd") as socket:
        yield "ctr images pull", _tried(["ctr", "-a", socket, "-n", "bench", "images", "pull", "--plain-http", name], proxy)
    if not why_not():
        (folder / "cut-docker").mkdir()
        with own_dockerd(folder / "cut-docker") as engine:
            yield "docker pull", _tried(["docker", "-H", engine.url, "pull", "--quiet", name], proxy)


def _tried(command: Sequence[str], proxy: Proxy) -> Tried:
    """Again and again, as a person would, while there is patience."""
    proxy.sent, runs, done = 0, 0, False
    deadline = time.monotonic() + PATIENCE
    while not done and (left := deadline - time.monotonic()) > 0:
        runs += 1
        try:
            done = not subprocess.run(command, capture_output=True, timeout=left, check=False).returncode
            time.sleep(0.0 if done else 1.0)
        except subprocess.TimeoutExpired:
            break
    return Tried(proxy.sent, runs, done)


def _killed(folder: Path, host: str) -> Row:
    """A real agent over a link of 20 MB/s, killed with SIGKILL at twenty bytes that chance has chosen; then the image, hashed again."""
    size = push_each(host, "killed", "1.0.0", layers_of(KILLED_SIZE))
    place = folder / "killed"
    place.mkdir()
    with containerd_server(folder / "killed-containerd") as socket, Proxy(host, Faults(path="/blobs/", rate=RATE)) as proxy:
        staging = Staging(place, proxy.host, socket, "killed")
        staging.run(lambda: proxy.sent, sorted(random.randrange(size // 100, size * 98 // 100) for _ in range(KILLS)))  # noqa: S311
        ratio = proxy.sent / size
    for blob in (staging.state / "images" / "blobs" / "sha256").iterdir():
        with blob.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != blob.name:
                sys.exit(f"{blob} is not what its name says")
    return Row(f"staged with {KILLS} kills over 20 MB/s: bytes on the wire", f"{ratio:.3f}x", "", ratio, 1.05)


def missing() -> str:
    """Why it cannot be measured here, or nothing."""
    lacking = [name for name in ("docker-registry", "containerd", "ctr", "skopeo") if not shutil.which(name)]
    return f"not installed: {', '.join(lacking)}" if lacking else "" if os.geteuid() == 0 else "containerd needs root"
