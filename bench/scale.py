"""Very many workloads: what a page, one workload, and looking at all of them cost; and the agent with nothing to do."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import idle
from bench.measure import Row, program
from tests.kit.images import web_image
from tests.kit.locks import blobs_in, lock_of
from tests.kit.many import IMAGE, many
from tests.kit.servers.dockerd import own_dockerd, why_not

COUNTS = (100, 1_000, 10_000, 100_000)
LARGE = 10_000
ROUNDS = 7
PAGE = ("workloads", "list", "--page-size", "10")
PAGES = {
    "": (),
    ", --sort-by title --direction desc": ("--sort-by", "title", "--direction", "desc"),
    ", --state running": ("--state", "running"),
    ", --search 99": ("--search", "99"),
}
ONE = {"show": ("workloads", "show", "workload-000042"), "hold": ("workloads", "hold", "workload-000042", "--reason", "bench")}
ALL = {
    "doctor": ("doctor",),
    "check --all": ("workloads", "check", "--all"),
    "apply --all --dry-run": ("workloads", "apply", "--all", "--dry-run"),
    "images list": ("images", "list"),
    "support-bundle": ("support-bundle", "-o", "-"),
}
OF_STAGED = ("check --all", "apply --all --dry-run")
"""Of these also where each workload has a staged version: the others have ten."""


@dataclass(frozen=True)
class Cost:
    """Processor seconds, and the peak of memory in MiB."""

    seconds: float
    memory: float


def rows(folder: Path) -> Iterator[Row]:
    """Ratios are between ledgers of different sizes; the cluster does not answer, which costs no processor time."""
    places = {count: many(folder / f"many-{count}" / "ledger.db", count).parent for count in COUNTS}
    for what, words in PAGES.items():
        few = _cost(places[COUNTS[0]], (*PAGE, *words))
        for count in COUNTS[1:]:
            cost = _cost(places[count], (*PAGE, *words))
            yield _ratio(f"a page of 10 of {count}{what} / of {COUNTS[0]}", cost, few, 1.5)
        yield Row(f"  its memory, of {COUNTS[-1]}", f"{cost.memory:.0f} MiB", f"{few.memory:.0f} MiB", cost.memory, 45, " MiB")
    for what, words in ONE.items():
        few, cost = _cost(places[COUNTS[0]], words), _cost(places[LARGE], words)
        yield _ratio(f"{what} of one of {LARGE} / of {COUNTS[0]}", cost, few, 1.5)
    shutil.rmtree(places[COUNTS[-1]])
    for what, words in ALL.items():
        few, cost = (_cost(places[count], words, rounds=1) for count in (1_000, LARGE))
        yield _ratio(f"{what}, {LARGE} / 1000 workloads", cost, few, 12)
        yield Row("  its memory", f"{cost.memory:.0f} MiB", f"{few.memory:.0f} MiB", cost.memory, 80, " MiB")
    staged = [many(folder / f"staged-{count}" / "ledger.db", count, staged=count).parent for count in (1_000, LARGE)]
    for what in OF_STAGED:
        few, cost = (_cost(place, ALL[what], rounds=1) for place in staged)
        yield _ratio(f"{what}, {LARGE} / 1000 staged versions", cost, few, 12)
        yield Row("  its memory", f"{cost.memory:.0f} MiB", f"{few.memory:.0f} MiB", cost.memory, 80, " MiB")
    if not why_not():
        yield from _idle(folder)


def _ratio(what: str, ours: Cost, other: Cost, bound: float) -> Row:
    return Row(what, f"{ours.seconds * 1000:.0f} ms", f"{other.seconds * 1000:.0f} ms", ours.seconds / other.seconds, bound)


def _cost(state: Path, words: Sequence[str], *, rounds: int = ROUNDS) -> Cost:
    """The median of several runs. An exit code of 1 or more is that of a box without a cluster."""
    environment = os.environ | {
        "KELVIN_PROVISION_STATE_DIR": str(state),
        "KELVIN_PROVISION_SITE_CONFIG": str(state / "none"),
        "KUBECONFIG": str(state / "none"),
    }
    costs = [_run(program(*words), environment) for _ in range(rounds)]
    return Cost(statistics.median(cost.seconds for cost in costs), max(cost.memory for cost in costs))


_MEASURED = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
used = os.wait4(process.pid, 0)[2]
print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
"""
"""In a process of its own: the peak of a child begins with the memory of its parent."""


def _run(command: Sequence[str], environment: dict[str, str]) -> Cost:
    measured = [sys.executable, "-S", "-c", _MEASURED, *command]
    done = subprocess.run(measured, env=environment, capture_output=True, text=True, check=True)
    seconds, memory = map(float, done.stdout.split())
    return Cost(seconds, memory)


def _idle(folder: Path) -> Iterator[Row]:
    """The image is on the engine; no container is, so that each look at the engine finds as little as possible."""
    place = folder / "idle-scale"
    place.mkdir()
    image = web_image("scale")
    with own_dockerd(place) as engine:
        with idle.box(place, engine) as ctx:
            lock, blob = lock_of(image, IMAGE), blobs_in(place / "blobs", image)
            ctx.runtime.load(lock, blob)
        many(place / "state" / "ledger.db", LARGE, lock=lock)
        memory, share = idle.measured(place, place / "state")
    yield Row(f"agent idle with {LARGE} workloads: resident memory", f"{memory:.1f} MiB", "-", memory, 80.0, "MiB")
    yield Row(f"agent idle with {LARGE} workloads: of one core", f"{share:.2f} %", "-", share, 1.0, "%")
