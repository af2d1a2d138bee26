"""A rehearsal on a real Docker Engine of a version that is up in two seconds, and what requests to the running one take meanwhile."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import docker

from bench.applying import end_agent
from bench.measure import Row, program, run
from tests.kit.images import SERVE, push
from tests.kit.images import program as image_of
from tests.kit.meanwhile import repeated
from tests.kit.servers.dockerd import own_dockerd, why_not
from tests.kit.servers.registry import docker_registry

ROUNDS, SETTLE, START, BEYOND = 3, 5, 2, 5.0
NAME = "bench-rehearsal"


def missing() -> str:
    """Why it cannot be measured here, or nothing."""
    return why_not()


def rows(folder: Path) -> Iterator[Row]:
    with (
        docker_registry(folder / "registry-rehearsal") as host,
        tempfile.TemporaryDirectory(prefix="engine-") as place,
        own_dockerd(Path(place)) as engine,
        contextlib.closing(docker.APIClient(engine.url, timeout=30)) as client,
    ):
        environment = os.environ | {
            "KELVIN_PROVISION_STATE_DIR": str(folder / "rehearsing"),
            "KELVIN_PROVISION_SITE_CONFIG": str(folder / "none"),
            "KELVIN_PROVISION_REGISTRY": host,
            "KELVIN_PROVISION_CLUSTER__TYPE": "docker",
            "KELVIN_PROVISION_RUNTIME__ADDRESS": engine.url,
            "KELVIN_PROVISION_APPLY__SETTLE": str(SETTLE),
        }
        push(host, "web", "1.0.0", image_of(SERVE, {"www/index.html": b"one\n"}))
        push(host, "web", "2.0.0", image_of(f"sleep {START}; {SERVE}", {"www/index.html": b"two\n"}))
        try:
            _stage(environment, "1.0.0")
            run(program("workloads", "apply", "-n", NAME), environment)
            _stage(environment, "2.0.0")
            yield from _measured(environment, _address(client))
        finally:
            run(program("workloads", "undeploy", "--yes", "-n", NAME), environment)
            end_agent(environment)


def _measured(environment: dict[str, str], address: str) -> Iterator[Row]:
    spent, quiet, busy = [], list[float](), list[float]()
    for _ in range(ROUNDS):
        with _requests(address, quiet):
            time.sleep(SETTLE)
        with _requests(address, busy):
            spent.append(run(program("workloads", "rehearse", "-n", NAME), environment))
    whole = statistics.median(spent)
    yield Row(f"rehearse: up in {START} s, beyond apply.settle", f"{whole:.2f} s", f"{SETTLE:.2f} s", whole - SETTLE, BEYOND, "s")
    before, during = statistics.median(quiet), statistics.median(busy)
    yield Row("requests to the running version during / before", f"{during * 1000:.2f} ms", f"{before * 1000:.2f} ms", during / before, 1.2)


@contextlib.contextmanager
def _requests(address: str, taken: list[float]) -> Iterator[None]:
    """Fifty a second, and every one is answered."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask() -> None:
        began = time.perf_counter()
        with opener.open(f"http://{address}:8080/", timeout=10) as answer:
            assert answer.read() == b"one\n"  # noqa: S101
        taken.append(time.perf_counter() - began)

    with repeated(ask, pause=0.02):
        yield


def _stage(environment: dict[str, str], version: str) -> None:
    probe = {"type": "http_get", "http_get": {"path": "/", "port": 8080}, "period_seconds": 1}
    about = {"spec_version": "5.0.0", "type": "docker", "name": "web", "title": "Web", "description": "Web", "version": version}
    payload = about | {"defaults": {"system": {"health_check": {"readiness_probe": probe}}}}
    request = {"name": NAME, "app_name": "web", "app_version": version, "payload": payload, "deployment_type": "staged-only"}
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        json.dump(request, file)
        file.flush()
        run(program("workloads", "deploy", "-f", file.name, "--wait"), environment)


def _address(client: docker.APIClient) -> str:
    return str(client.inspect_container(NAME)["NetworkSettings"]["Networks"]["kelvin"]["IPAddress"])
