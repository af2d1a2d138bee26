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
LAYERS, SIZE, ROUNDS = 8, 1024 * MIB, 5
SMALL, BIG = 100 * MIB, 4096 * MIB


@dataclass(frozen=True)
class Spent:
    """Seconds by the clock and of the processor (user and system), bytes at the peak."""

    wall: float
    cpu: float
    peak: int


def layers_of(size: int) -> Iterator[bytes]:
    """LAYERS layers, together of so many bytes: each other bytes than the others, none of them with a meaning."""
    from tests.kit.images import tar_of  # not above: the measured process is this module too, and pays for its imports

    for number in range(LAYERS):
        yield tar_of({f"data/{number}": os.urandom(MIB) * (size // LAYERS // MIB)})


def rows(folder: Path) -> Iterator[Row]:
    """Wall and processor time as ratios, and the peak memory of a process that does nothing else, however big the image."""
    from tests.kit.images import push_each
    from tests.kit.servers.registry import docker_registry

    with docker_registry(folder / "registry") as host:
        push_each(host, "image", "1", layers_of(SIZE))
        # One image for both: each writes it to a place of its own, and none finds anything of another round.
        ours, other = zip(*[_round(folder, host, number) for number in range(ROUNDS + 1)][1:], strict=True)
        yield _ratio("fetch 1 GiB, 8 layers / skopeo copy to oci:, wall", [one.wall for one in ours], [one.wall for one in other])
        yield _ratio("  the same, processor time", [one.cpu for one in ours], [one.cpu for one in other])
        theirs = f"{max(one.peak for one in other) / MIB:.0f} MiB"
        peaks = {SIZE: max(one.peak for one in ours) / MIB}
        for size in (SMALL, BIG):
            push_each(host, f"image-{size}", "1", layers_of(size))
            peaks[size] = measured(fetching(f"{host}/image-{size}:1", folder / "sized"), folder).peak / MIB
            shutil.rmtree(folder / "sized")
    for size, name in ((SMALL, "100 MiB"), (SIZE, "1 GiB"), (BIG, "4 GiB")):
        yield Row(f"  peak memory of fetch, {name}", f"{peaks[size]:.0f} MiB", theirs if size == SIZE else "", peaks[size], 64, " MiB")


def fetching(name: str, state: Path) -> list[str]:
    """The command that is measured."""
    return [sys.executable, "-m", "bench.downloading", name, str(state)]


def _round(folder: Path, host: str, number: int) -> tuple[Spent, Spent]:
    """Both, in an order that changes from round to round."""
    target, state = folder / f"skopeo-{number}", folder / f"fetch-{number}"
    commands = {
        "ours": fetching(f"{host}/image:1", state),
        "other": ["skopeo", "copy", "--quiet", "--src-tls-verify=false", f"docker://{host}/image:1", f"oci:{target}:x"],
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
    from kelvin_provision.context import silent
    from kelvin_provision.refs import Platform, Reference
    from kelvin_provision.registry.client import Registry
    from kelvin_provision.settings.model import Settings
    from kelvin_provision.staging import download
    from kelvin_provision.staging.limits.limits import TransferLimits
    from kelvin_provision.staging.transfer import Transfer
    from kelvin_provision.store import Store
    from kelvin_provision.timings import Timings

    store, source = Store(state), Registry(Settings(state))
    with download.resolved(source, store, [Reference.parse(text)], Platform("linux", "amd64")) as locks:
        download.fetch(Transfer(source, store, silent, lambda: False, Timings().staging, TransferLimits(parallel=4)), locks)
    source.close()


def missing() -> str:
    """Why it cannot be measured here, or nothing."""
    lacking = [name for name in ("docker-registry", "skopeo") if not shutil.which(name)]
    return f"not installed: {', '.join(lacking)}" if lacking else ""


if __name__ == "__main__":
    fetch(sys.argv[1], Path(sys.argv[2]))
