"""Bringing an image from a registry on loopback into the store, beside skopeo: nothing but the download."""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.measure import Row

MIB = 1 << 20
LAYERS, SIZE, ROUNDS = 6, 500 * MIB, 3


@dataclass(frozen=True)
class Spent:
    """Seconds by the clock and of the processor (user and system), bytes at the peak."""

    wall: float
    cpu: float
    peak: int


def rows(folder: Path) -> Iterator[Row]:
    """Wall and processor time as ratios, and the peak memory of a process that does nothing else."""
    from tests.images import make_image, push, tar_of  # not above: the measured process is this module too, and pays for its imports
    from tests.servers.registry import docker_registry

    pairs = []
    with docker_registry(folder / "registry") as host:
        for number in range(ROUNDS):
            # Random bytes, so that nothing is shared between rounds; gzip without compression, so that making it takes no minutes.
            for side in ("ours", "other"):
                layers = [tar_of({f"data/{layer}": os.urandom(SIZE // LAYERS)}) for layer in range(LAYERS)]
                push(host, side, f"{number}", make_image(layers, level=0))
            pairs.append(_round(folder, host, number))
    ours, other = zip(*pairs, strict=True)
    yield _ratio("fetch 500 MiB, 6 layers / skopeo copy to oci:, wall", [one.wall for one in ours], [one.wall for one in other])
    yield _ratio("  the same, processor time", [one.cpu for one in ours], [one.cpu for one in other])
    peak, theirs = max(one.peak for one in ours) / MIB, max(one.peak for one in other) / MIB
    yield Row("  peak memory of fetch", f"{peak:.0f} MiB", f"{theirs:.0f} MiB", peak, 64, " MiB")


def _round(folder: Path, host: str, number: int) -> tuple[Spent, Spent]:
    """Both, in an order that changes from round to round."""
    target, state = folder / f"skopeo-{number}", folder / f"fetch-{number}"
    commands = {
        "ours": [sys.executable, "-m", "bench.downloading", f"{host}/ours:{number}", str(state)],
        "other": ["skopeo", "copy", "--quiet", "--src-tls-verify=false", f"docker://{host}/other:{number}", f"oci:{target}:x"],
    }
    spent = {}
    for side in ("ours", "other") if number % 2 else ("other", "ours"):
        os.sync()  # what the other left for the disk to do is not ours to pay
        spent[side] = measured(commands[side], folder)
    shutil.rmtree(target)
    shutil.rmtree(state)
    return spent["ours"], spent["other"]


def _ratio(what: str, ours: Sequence[float], other: Sequence[float]) -> Row:
    ratio = statistics.median(a / b for a, b in zip(ours, other, strict=True))
    return Row(what, f"{statistics.median(ours):.2f} s", f"{statistics.median(other):.2f} s", ratio, 0.7)


def measured(command: Sequence[str], folder: Path) -> Spent:
    """A command that must succeed, measured by a process in between whose only child it is."""
    environment = os.environ | {"TMPDIR": str(folder)}
    between = [sys.executable, "-c", f"import sys; from {__name__} import only_child; only_child(sys.argv[1:])", *command]
    done = subprocess.run(between, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return Spent(**json.loads(done.stdout.splitlines()[-1]))


def only_child(command: Sequence[str]) -> None:
    """Run it and print what it took."""
    began = time.perf_counter()
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    wall, used = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    print(json.dumps({"wall": wall, "cpu": used.ru_utime + used.ru_stime, "peak": used.ru_maxrss * 1024}))


def fetch(text: str, state: Path) -> None:
    """What is measured: a process that only resolves and fetches."""
    from kelvin_provision.events import silent
    from kelvin_provision.ops import download
    from kelvin_provision.ops.stage import PATIENCE
    from kelvin_provision.refs import Platform, Reference
    from kelvin_provision.registry.client import Registry
    from kelvin_provision.settings.model import Settings
    from kelvin_provision.store import Store

    store, source = Store(state), Registry(Settings(state))
    with download.resolved(source, store, [Reference.parse(text)], Platform("linux", "amd64")) as locks:
        download.fetch(source, store, locks, parallel=4, progress=silent, stop=lambda: False, backoff=PATIENCE)
    source.close()


def missing() -> str:
    """Why it cannot be measured here, or nothing."""
    lacking = [name for name in ("docker-registry", "skopeo") if not shutil.which(name)]
    return f"not installed: {', '.join(lacking)}" if lacking else ""


if __name__ == "__main__":
    fetch(sys.argv[1], Path(sys.argv[2]))
