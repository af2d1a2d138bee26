"""Staging an image from a registry on loopback into containerd, beside skopeo and ctr."""

from __future__ import annotations

import json
import os
import shutil
import signal
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from bench.measure import Row, peak_of, program, run
from tests.kit.images import Image, make_image, push, tar_of
from tests.kit.servers.containerd import containerd_server
from tests.kit.servers.registry import docker_registry

MIB = 1 << 20
LAYERS, SIZE, ROUNDS = 6, 500 * MIB, 3


def fresh_image() -> Image:
    """Random bytes, so that nothing is shared between rounds; gzip without compression, so that making it takes no minutes."""
    return make_image([tar_of({f"data/{number}": os.urandom(SIZE // LAYERS)}) for number in range(LAYERS)], level=0)


def rows(folder: Path) -> Iterator[Row]:
    """Wall time as a ratio, and the agent's peak memory."""
    with docker_registry(folder / "registry") as host, containerd_server(folder / "containerd") as socket:
        environment = os.environ | {
            "KELVIN_PROVISION_STATE_DIR": str(folder / "staging"),
            "KELVIN_PROVISION_SITE_CONFIG": str(folder / "none"),
            "KELVIN_PROVISION_REGISTRY": host,
            "KELVIN_PROVISION_RUNTIME__TYPE": "containerd",
            "KELVIN_PROVISION_RUNTIME__ADDRESS": socket,
            "KELVIN_PROVISION_CLUSTER__TYPE": "kubernetes",
        }
        pairs, peaks = [], []
        for number in range(ROUNDS):
            push(host, "ours", f"{number}", fresh_image())
            push(host, "other", f"{number}", fresh_image())
            for side in ("ours", "other") if number % 2 else ("other", "ours"):
                os.sync()  # what the other left for the disk to do is not ours to pay
                if side == "other":
                    other = _skopeo_and_ctr(folder, host, socket, number)
                else:
                    ours, peak = _ours(environment, number)
            pairs.append((ours, other))
            peaks.append(peak)
        _end_agent(environment)
        ours, other = (statistics.median(side) for side in zip(*pairs, strict=True))
        ratio = statistics.median(a / b for a, b in pairs)
        what = "stage 500 MiB, 6 layers, into containerd / skopeo + ctr import"
        yield Row(what, f"{ours:.2f} s", f"{other:.2f} s", ratio, 1.05)
        yield Row("  peak memory of the agent", f"{max(peaks) / MIB:.0f} MiB", "", max(peaks) / MIB, 80, " MiB")


def _ours(environment: dict[str, str], number: int) -> tuple[float, int]:
    words = [
        "workloads",
        "deploy",
        "--app-name",
        "ours",
        "--app-version",
        f"{number}",
        "-n",
        f"bench-{number}",
        "--staged",
        "--no-instantly-apply",
    ]
    spent = run(program(*words, "--wait"), environment)
    return spent, peak_of(_agent(environment))


def _agent(environment: dict[str, str]) -> int:
    said = subprocess.run(program("agent", "status", "--json"), env=environment, capture_output=True, check=True)
    return int(json.loads(said.stdout)["agent"]["pid"] or 0)


def _end_agent(environment: dict[str, str]) -> None:
    pid = _agent(environment)
    os.kill(pid, signal.SIGTERM)
    while Path(f"/proc/{pid}").exists():
        time.sleep(0.05)


def _skopeo_and_ctr(folder: Path, host: str, socket: str, number: int) -> float:
    archive = folder / f"{number}.tar"
    environment = os.environ | {"TMPDIR": str(folder)}
    copy = ["skopeo", "copy", "--src-tls-verify=false", f"docker://{host}/other:{number}", f"oci-archive:{archive}:other:{number}"]
    load = ["ctr", "-a", socket, "-n", "k8s.io", "images", "import", str(archive)]
    spent = run(copy, environment) + run(load)
    archive.unlink()
    return spent


def missing() -> str:
    """Why it cannot be measured here, or nothing."""
    lacking = [name for name in ("docker-registry", "containerd", "ctr", "skopeo") if not shutil.which(name)]
    return f"not installed: {', '.join(lacking)}" if lacking else "" if os.geteuid() == 0 else "containerd needs root"
