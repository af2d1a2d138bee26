"""The agent with nothing to do: 50 workloads that run on a real Docker Engine, its memory and its share of one core."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.measure import Row, cpu_of, program, resident
from kelvin_provision import wiring
from kelvin_provision.agent.lifecycle.process import alive
from kelvin_provision.context import Context, opened
from kelvin_provision.ledger.staging_state import Ready
from kelvin_provision.settings.model import ApplySettings, ClusterSettings, RuntimeSettings, Settings
from kelvin_provision.spec.enums import Method
from kelvin_provision.spec.workload import Spec
from kelvin_provision.usecases import deploy
from kelvin_provision.usecases.apply import ApplyRequest, apply
from tests.kit.images import web_image
from tests.kit.locks import blobs_in, lock_of
from tests.kit.servers.dockerd import Dockerd, own_dockerd, why_not

WORKLOADS = 50
IMAGE = "registry.example.org/bench/idle:1.0.0"
WARM, MEASURED = 20.0, 130.0
"""Seconds; the cluster is looked at once a minute, so two looks are in it."""


def missing() -> str:
    """Why it cannot be measured here, or nothing."""
    return why_not()


def rows(folder: Path) -> Iterator[Row]:
    """Resident memory and CPU."""
    place = folder / "idle"
    place.mkdir()
    with own_dockerd(place, prefix=26) as engine:
        with box(place, engine) as ctx:
            run_all(ctx, place)
        memory, share = measured(place, place / "state")
    yield Row(f"agent idle with {WORKLOADS} workloads: resident memory", f"{memory:.1f} MiB", "-", memory, 60.0, "MiB")
    yield Row(f"agent idle with {WORKLOADS} workloads: of one core", f"{share:.2f} %", "-", share, 0.5, "%")


@contextmanager
def box(place: Path, engine: Dockerd) -> Iterator[Context]:
    """A box on this engine, with a settings file for the agent."""
    docker = RuntimeSettings(type="docker", address=engine.url)
    settings = Settings(state_dir=place / "state", cluster=ClusterSettings(type="docker"), runtime=docker, apply=ApplySettings(settle=0.0))
    (place / "config.yaml").write_text(f"cluster: {{type: docker}}\nruntime: {{type: docker, address: '{engine.url}'}}\n")
    with opened(settings, wiring.default()) as ctx:
        yield ctx


def run_all(ctx: Context, folder: Path, count: int = WORKLOADS) -> None:
    """As the agent would have left it: staged, ready, applied."""
    image = web_image("idle")
    lock, blob = lock_of(image, IMAGE), blobs_in(folder / "blobs", image)
    for part in lock.blobs():
        ctx.store.put(part, blob(part).read_bytes())
    ctx.runtime.load(lock, blob)
    payload = {"spec_version": "5.0.0", "type": "docker", "name": "idle", "title": "Idle", "description": "d" * 400, "version": "1.0.0"}
    for number in range(count):
        name = f"idle-{number:02}"
        spec = Spec(
            name=name,
            title=name,
            app_name="idle",
            app_version="1.0.0",
            cluster_name="bench",
            method=Method.STAGED,
            image=IMAGE,
            payload=payload,
        )
        (revision,) = deploy.store(ctx, [spec])[0]
        ctx.ledger.set_locks(revision, (lock,))
        ctx.ledger.advance(revision, Ready())
    for first in range(0, count, 10):
        apply(ctx, ApplyRequest(tuple(f"idle-{number:02}" for number in range(first, min(first + 10, count)))))


def measured(folder: Path, state_dir: Path) -> tuple[float, float]:
    """MiB and per cent."""
    with agent(folder, state_dir) as pid:
        time.sleep(WARM)
        before, began = cpu_of(pid), time.monotonic()
        time.sleep(MEASURED)
        return resident(pid), 100 * (cpu_of(pid) - before) / (time.monotonic() - began)


@contextmanager
def agent(folder: Path, state_dir: Path) -> Iterator[int]:
    """Yields the pid of an agent that is alive."""
    command = program("agent", "run", "--state-dir", str(state_dir), "--config", str(folder / "config.yaml"))
    environment = {**os.environ, "HOME": str(folder)}
    process = subprocess.Popen(command, env=environment, cwd="/", stdin=subprocess.DEVNULL, stderr=(folder / "log").open("wb"))
    try:
        while not alive(state_dir):
            time.sleep(0.1)
        yield process.pid
    finally:
        process.terminate()
        process.wait()
